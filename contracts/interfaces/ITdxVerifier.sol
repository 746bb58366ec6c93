// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAttestationVerifier} from "./IAttestationVerifier.sol";

/// @title Intel quotes: TDX (versions 4 and 5) and SGX (versions 3 to 5)
/// @notice ROLES. None: verification only, no owner.
///
/// EVIDENCE. The signed parts of a quote, in this order and without anything between or behind:
///
/// | bytes | what |
/// |---|---|
/// | 48 | quote header: version, key type 2 (ECDSA P-256), TEE type, QE vendor, user data |
/// | 6 | version 5 only: body descriptor, type (1 SGX, 2 TD 1.0, 3 TD 1.5) and size |
/// | 384, 584 or 648 | SGX report, TD 1.0 report or TD 1.5 report |
/// | 64 | quote signature r, s, over all of the above |
/// | 64 | attestation key x, y |
/// | 384 | report of the quoting enclave (QE) |
/// | 64 | QE report signature r, s, by the PCK |
/// | 2 + n | QE authentication data with its length, little-endian |
/// | m | signed part of the PCK certificate, DER |
/// | 64 | its signature r, s |
/// | 0 or 96 | claims: public key hash, user data hash, nonce hash |
///
/// A quote's PEM chain and its framing are carriage that nobody signs; leaving them out halves the data. The authority
/// above the PCK, TCB information, QE identity and revocation lists are on record in IIntelCollateral.
///
/// CLAIMS. REPORTDATA has room for 64 bytes. With claims, they must be keccak256(CLAIMS_TYPEHASH | public key hash | user
/// data hash | nonce hash) and 32 zero bytes, and the three hashes become the attestation's. Without, `userDataHash` is the
/// hash of all 64 bytes and the other two are 0.
///
/// IMAGE. TDX: keccak256(MRTD | RTMR0..3 | TD attributes | XFAM | MRCONFIGID | MROWNER | MROWNERCONFIG), and MRSERVICETD
/// behind them when it is not zero: a TD that a service TD may migrate is another image. SGX: keccak256(MISCSELECT |
/// ISVEXTPRODID | ATTRIBUTES | MRENCLAVE | MRSIGNER | CONFIGID | ISVPRODID | ISVSVN | CONFIGSVN | ISVFAMILYID).
///
/// DEBUG is a fact, not an error: SGX ATTRIBUTES.DEBUG, TDX any bit of TD_ATTRIBUTES.TUD. A quoting enclave in debug mode is
/// an error.
///
/// IDENTITY. (r, s) and (r, n - s) are both valid, in four places: never use the hash of evidence as an id.
interface ITdxVerifier is IAttestationVerifier {
    /// The evidence ends before, or goes on after, what its header says.
    error TdxLength(uint256 length, uint256 needed);
    /// Hints are not used: there must be none.
    error TdxHints(uint256 length);
    /// Not a version that this verifier reads, or a TEE type that the version does not have.
    error TdxVersion(uint256 version, uint256 teeType);
    /// Not ECDSA on P-256.
    error TdxKeyType(uint256 keyType);
    /// Another quoting enclave's vendor than Intel.
    error TdxVendor(bytes16 vendor);
    /// Version 5: another body, or another size than the body has.
    error TdxBody(uint256 bodyType, uint256 size);
    /// MRSIGNERSEAM or SEAMATTRIBUTES is not zero: not Intel's TDX module, or one in debug mode.
    error TdxModule();
    /// The quote is not signed by its attestation key.
    error TdxQuoteSignature();
    /// The QE's report does not name this attestation key and authentication data.
    error TdxAttestationKey();
    /// The QE's report is not signed by the PCK.
    error TdxQeSignature();
    /// The quoting enclave runs in debug mode.
    error TdxQeDebug();
    /// The PCK certificate is not signed by its authority.
    error TdxPckSignature();
    /// The PCK certificate has no SGX extension.
    error TdxNoSgxExtension();
    /// The SGX extension is not as Intel's profile has it.
    error TdxSgxExtension(uint256 position);
    error TdxPckNotYetValid(uint256 notBefore, uint256 now_);
    error TdxPckExpired(uint256 notAfter, uint256 now_);
    /// REPORTDATA is not what the claims say.
    error TdxClaims(bytes32 reportData, bytes32 claims);

    /// keccak256("OpenGradientAttestationClaims(bytes32 publicKeyHash,bytes32 userDataHash,bytes32 nonceHash)").
    function CLAIMS_TYPEHASH() external view returns (bytes32);

    /// Where authorities, TCB information and revocation lists are on record.
    function COLLATERAL() external view returns (address);
}
