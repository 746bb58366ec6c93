// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAttestationVerifier} from "./IAttestationVerifier.sol";

/// What is remembered of a verified certificate: one storage slot.
struct CertificateRecord {
    /// Earliest notAfter and latest notBefore of this certificate and everything above it.
    uint64 notAfter;
    uint64 notBefore;
    /// Where, from the start of the signed part, the subject's name and the public key info stand.
    uint16 subject;
    uint16 publicKey;
    /// How many authorities may still follow; 255 when nothing limits them.
    uint8 pathLength;
    /// 0 nothing recorded, 1 authority, 2 leaf.
    uint8 role;
    /// Revocations known when the path was last compared with them.
    uint32 revocationEpoch;
}

/// @title AWS Nitro attestation documents
/// @notice ROLES. Anyone verifies. The access manager's role for `revoke` lists certificates; its role for `restore`,
/// which should carry a delay, takes them off the list. Nobody can make a document valid.
///
/// TRUST. One root certificate, named by its hash at deployment. From there every certificate is verified down to the
/// one in the document: signature, names, roles, path lengths, time, revocation.
///
/// CACHE. A verified certificate is remembered under its chain key: the root's hash for the root,
/// keccak256(parent's chain key | keccak256(signed part)) below. One record therefore proves the whole path above it, under
/// exactly these parents, and carries their earliest expiry. The signature is not part of the key: (r, s) and (r, n - s)
/// are one certificate.
///
/// IDENTITY. A document can be re-encoded without breaking its signature. Never use its hash as an id.
interface INitroVerifier is IAttestationVerifier {
    event CertificateVerified(bytes32 indexed chainKey, bytes32 indexed parentKey, uint8 role, uint64 notAfter);
    event CertificateRevoked(bytes32 indexed certificateId, uint32 revocationEpoch, bytes issuer, bytes serial);
    event CertificateRestored(bytes32 indexed certificateId);

    /// `cabundle` starts with a certificate that is not the root.
    error NitroForeignRoot(bytes32 rootHash);
    /// The issuer's name is not the name of the certificate above, byte for byte.
    error NitroIssuer(uint256 index);
    /// More authorities follow than a certificate above allows.
    error NitroPathLength(uint256 index);
    error NitroRevoked(uint256 index, bytes32 certificateId);
    error NitroNotYetValid(uint256 notBefore, uint256 now_);
    error NitroExpired(uint256 notAfter, uint256 now_);
    /// The hints name a certificate as verified which is not.
    error NitroNotCached(uint256 index, bytes32 chainKey);
    /// A leaf stands where an authority must, or the other way round.
    error NitroRole(uint256 index, uint256 role);
    /// Hints are: the index of the first certificate whose signature they prove (1 to the number of certificates),
    /// a byte of flags (1: remember the leaf), the signature kernel's hints.
    error NitroHints(uint256 length, uint256 first, uint256 flags);
    /// One of the signatures, of a certificate or of the document, is wrong.
    error NitroSignature();
    error NitroAlreadyRevoked(bytes32 certificateId);
    error NitroNotRevoked(bytes32 certificateId);

    /// @notice Verifies some certificates of a document's chain and remembers them. For chains that are too long for one call of
    /// the signature kernel, and for those who want to pay for a region or a zone ahead of others.
    /// @param hints As for `verify`, with the index behind the last certificate to prove in place of the flags.
    function remember(bytes calldata evidence, bytes calldata hints) external;

    /// keccak256 of the root certificate's DER.
    function ROOT() external view returns (bytes32);

    function revocationEpoch() external view returns (uint32);

    /// Records of a path, in any order; `role` 0 where nothing is recorded.
    function records(bytes32[] calldata chainKeys) external view returns (CertificateRecord[] memory);

    function isRevoked(bytes32 certificateId) external view returns (bool);

    /// @param issuer The issuer's name in DER, as it stands in the certificate.
    /// @param serial The serial number's bytes without a leading zero.
    /// @return certificateId keccak256(issuer | serial).
    function revoke(bytes calldata issuer, bytes calldata serial) external returns (bytes32 certificateId);

    /// Takes a certificate off the list. Records below it serve again once their path has been compared anew.
    function restore(bytes32 certificateId) external;
}
