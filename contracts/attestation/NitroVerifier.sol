// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {Attestation} from "../interfaces/IAttestationVerifier.sol";
import {CertificateRecord, INitroVerifier} from "../interfaces/INitroVerifier.sol";
import {IP384} from "../interfaces/IP384.sol";
import {ISha384} from "../interfaces/ISha384.sol";
import {ISha384Pair} from "../interfaces/ISha384Pair.sol";
import {NitroDocument} from "./NitroDocument.sol";
import {CoseSign1} from "./cbor/CoseSign1.sol";
import {X509} from "./der/X509.sol";

/// @title Verifier of AWS Nitro attestation documents
/// @dev The manual is INitroVerifier.
contract NitroVerifier is INitroVerifier, AccessManaged {
    /// A chain on its way through `verify`: what the last certificate looked at leaves for the next.
    struct Chain {
        uint256 length;
        uint256[] tbs;
        uint256[] tbsEnd;
        uint256[] signature;
        uint256[] signatureEnd;
        bytes32[] key;
        CertificateRecord record;
    }

    uint8 private constant TEE_NITRO = 1;
    uint8 private constant AUTHORITY = 1;
    uint8 private constant LEAF = 2;
    uint256 private constant REMEMBER_LEAF = 1;
    uint256 private constant HEADER = 2;
    /// Bytes of one signature as the kernel takes it: Qx | Qy | e | r | s.
    uint256 private constant SIGNATURE = 240;
    bytes32 private constant EMPTY_PCR = keccak256(new bytes(48));

    ISha384Pair public immutable SHA384_PAIR;
    ISha384 public immutable SHA384;
    IP384 public immutable P384;
    bytes32 public immutable ROOT;

    uint32 public revocationEpoch = 1;
    mapping(bytes32 chainKey => CertificateRecord) private _records;
    mapping(bytes32 certificateId => bool) public isRevoked;

    constructor(bytes32 root, ISha384Pair sha384Pair, IP384 p384, address authority) AccessManaged(authority) {
        ROOT = root;
        SHA384_PAIR = sha384Pair;
        SHA384 = sha384Pair.SHA384();
        P384 = p384;
    }

    function verify(bytes calldata evidence, bytes calldata hints) external returns (Attestation memory attestation) {
        CoseSign1.Message memory message = CoseSign1.parse(evidence);
        NitroDocument.Fields memory fields = NitroDocument.parse(message.payload, message.payloadEnd);
        Chain memory chain = _open(fields);
        (uint256 first, uint256 flags) = _header(hints);
        require(first <= chain.length && flags <= REMEMBER_LEAF, NitroHints(hints.length, first, flags));

        // Everything from `first` on is proved by signatures in this call, everything above by a record.
        bytes memory signatures = new bytes((chain.length - first + 1) * SIGNATURE);
        uint256 slot = _certificates(chain, first, chain.length, signatures, flags != 0);
        _signer(chain, chain.length - 1, slot);
        uint256 signature = message.signature;
        assembly {
            calldatacopy(add(slot, 144), signature, 96)
        }
        _digests(chain, first, signatures, CoseSign1.signedBytes(message));
        _requireProved(chain.record, signatures, hints);
        return _facts(fields, chain.record.notAfter);
    }

    function remember(bytes calldata evidence, bytes calldata hints) external {
        CoseSign1.Message memory message = CoseSign1.parse(evidence);
        Chain memory chain = _open(NitroDocument.parse(message.payload, message.payloadEnd));
        (uint256 first, uint256 end) = _header(hints);
        require(first < end && end <= chain.length, NitroHints(hints.length, first, end));

        bytes memory signatures = new bytes((end - first) * SIGNATURE);
        _certificates(chain, first, end, signatures, true);
        // The last of them takes the document's place behind the others.
        chain.length = end - 1;
        _digests(chain, first, signatures, msg.data[chain.tbs[end - 1]:chain.tbsEnd[end - 1]]);
        _requireProved(chain.record, signatures, hints);
    }

    function revoke(bytes calldata issuer, bytes calldata serial) external restricted returns (bytes32 certificateId) {
        certificateId = keccak256(bytes.concat(issuer, serial));
        require(!isRevoked[certificateId], NitroAlreadyRevoked(certificateId));
        isRevoked[certificateId] = true;
        // Every record is older now and will compare its path before it serves again.
        uint32 epoch = ++revocationEpoch;
        emit CertificateRevoked(certificateId, epoch, issuer, serial);
    }

    function restore(bytes32 certificateId) external restricted {
        require(isRevoked[certificateId], NitroNotRevoked(certificateId));
        isRevoked[certificateId] = false;
        emit CertificateRestored(certificateId);
    }

    function records(bytes32[] calldata chainKeys) external view returns (CertificateRecord[] memory found) {
        found = new CertificateRecord[](chainKeys.length);
        for (uint256 i = 0; i < chainKeys.length; ++i) {
            found[i] = _records[chainKeys[i]];
        }
    }

    function _header(bytes calldata hints) private pure returns (uint256 first, uint256 second) {
        require(hints.length >= HEADER && hints[0] != 0, NitroHints(hints.length, 0, 0));
        return (uint8(hints[0]), uint8(hints[1]));
    }

    /// Walks from a record over the certificates that this call proves; their statements fill the first slots.
    function _certificates(Chain memory chain, uint256 first, uint256 end, bytes memory signatures, bool rememberLeaf)
        private
        returns (uint256 slot)
    {
        assembly {
            slot := add(signatures, 32)
        }
        _anchor(chain, first - 1);
        for (uint256 i = first; i < end; ++i) {
            _signer(chain, i - 1, slot);
            _certificate(chain, i, slot, rememberLeaf);
            slot += SIGNATURE;
        }
    }

    function _requireProved(CertificateRecord memory record, bytes memory signatures, bytes calldata hints) private view {
        require(block.timestamp >= record.notBefore, NitroNotYetValid(record.notBefore, block.timestamp));
        require(block.timestamp <= record.notAfter, NitroExpired(record.notAfter, block.timestamp));
        require(P384.verify(signatures, hints[HEADER:]) == IP384.verify.selector, NitroSignature());
    }

    /// Splits every certificate and chains their keys from the pinned root.
    function _open(NitroDocument.Fields memory fields) private view returns (Chain memory chain) {
        uint256 length = fields.certificates;
        chain.length = length;
        chain.tbs = new uint256[](length);
        chain.tbsEnd = new uint256[](length);
        chain.signature = new uint256[](length);
        chain.signatureEnd = new uint256[](length);
        chain.key = new bytes32[](length);
        bytes32 key = _hash(fields.certificate[0], fields.certificateEnd[0]);
        require(key == ROOT, NitroForeignRoot(key));
        for (uint256 i = 0; i < length; ++i) {
            (chain.tbs[i], chain.tbsEnd[i], chain.signature[i], chain.signatureEnd[i]) =
                X509.envelope(fields.certificate[i], fields.certificateEnd[i]);
            if (i != 0) key = keccak256(abi.encode(key, _hash(chain.tbs[i], chain.tbsEnd[i])));
            chain.key[i] = key;
        }
    }

    /// Takes the record that vouches for the path down to `index`. The root needs none: its hash is its proof.
    function _anchor(Chain memory chain, uint256 index) private {
        bytes32 key = chain.key[index];
        CertificateRecord memory record = _records[key];
        uint32 epoch = revocationEpoch;
        if (record.role == 0) {
            require(index == 0, NitroNotCached(index, key));
            record = _root(chain);
        }
        bool last = index == chain.length - 1;
        require(record.role == (last ? LEAF : AUTHORITY), NitroRole(index, record.role));
        if (record.revocationEpoch != epoch) {
            for (uint256 i = 0; i <= index; ++i) {
                (uint256 serial, uint256 serialEnd, uint256 issuer, uint256 issuerEnd) =
                    X509.identity(chain.tbs[i], chain.tbsEnd[i]);
                _requireNotRevoked(i, serial, serialEnd, issuer, issuerEnd);
            }
            record.revocationEpoch = epoch;
            _records[key] = record;
        }
        chain.record = record;
    }

    function _root(Chain memory chain) private returns (CertificateRecord memory record) {
        X509.Certificate memory root = X509.parse(chain.tbs[0], chain.tbsEnd[0]);
        X509.requireAuthority(root, chain.tbs[0]);
        require(_hash(root.issuer, root.issuerEnd) == _hash(root.subject, root.subjectEnd), NitroIssuer(0));
        record.pathLength = uint8(root.pathLength);
        record.notAfter = type(uint64).max;
        _fold(record, root, chain.tbs[0], AUTHORITY);
        emit CertificateVerified(chain.key[0], 0, AUTHORITY, record.notAfter);
    }

    /// Checks one certificate against the record of its parent and makes its own; its signature goes into the batch.
    function _certificate(Chain memory chain, uint256 index, uint256 slot, bool rememberLeaf) private {
        uint256 tbs = chain.tbs[index];
        X509.Certificate memory certificate = X509.parse(tbs, chain.tbsEnd[index]);
        CertificateRecord memory record = chain.record;

        uint256 parent = chain.tbs[index - 1];
        bytes32 parentName = _hash(parent + record.subject, parent + record.publicKey);
        require(_hash(certificate.issuer, certificate.issuerEnd) == parentName, NitroIssuer(index));
        _requireNotRevoked(index, certificate.serial, certificate.serialEnd, certificate.issuer, certificate.issuerEnd);

        bool leaf = index == chain.length - 1;
        if (leaf) {
            X509.requireLeaf(certificate, tbs);
        } else {
            X509.requireAuthority(certificate, tbs);
            require(record.pathLength != 0, NitroPathLength(index));
            uint256 inherited = record.pathLength == X509.NO_LIMIT ? X509.NO_LIMIT : record.pathLength - 1;
            record.pathLength = uint8(certificate.pathLength < inherited ? certificate.pathLength : inherited);
        }
        _fold(record, certificate, tbs, leaf ? LEAF : AUTHORITY);

        _integers(slot, chain.signature[index], chain.signatureEnd[index]);

        if (!leaf || rememberLeaf) {
            record.revocationEpoch = revocationEpoch;
            _records[chain.key[index]] = record;
            emit CertificateVerified(chain.key[index], chain.key[index - 1], record.role, record.notAfter);
        }
    }

    /// A certificate serves only while everything above it does.
    function _fold(CertificateRecord memory record, X509.Certificate memory certificate, uint256 tbs, uint8 role)
        private
        pure
    {
        if (certificate.notAfter < record.notAfter) record.notAfter = uint64(certificate.notAfter);
        if (certificate.notBefore > record.notBefore) record.notBefore = uint64(certificate.notBefore);
        // A certificate has at most 1,024 bytes.
        record.subject = uint16(certificate.subject - tbs);
        record.publicKey = uint16(certificate.subjectEnd - tbs);
        record.role = role;
    }

    /// The key of certificate `index`, whose record `chain` holds, goes to the front of the next signature's slot.
    function _signer(Chain memory chain, uint256 index, uint256 slot) private pure {
        uint256 position = chain.tbs[index] + chain.record.publicKey + X509.KEY_OFFSET;
        assembly {
            calldatacopy(slot, position, 96)
        }
    }

    function _integers(uint256 slot, uint256 position, uint256 end) private pure {
        (uint256 r, uint256 rEnd, uint256 s, uint256 sEnd) = X509.integers(position, end);
        assembly {
            calldatacopy(sub(add(slot, 192), sub(rEnd, r)), r, sub(rEnd, r))
            calldatacopy(sub(add(slot, 240), sub(sEnd, s)), s, sub(sEnd, s))
        }
    }

    /// Hashes the document and, beside it, the certificates from `first` on.
    function _digests(Chain memory chain, uint256 first, bytes memory signatures, bytes memory document) private view {
        uint256 count = chain.length - first;
        bytes memory digests;
        if (count == 0) {
            (bytes32 high, bytes16 low) = SHA384.digest(document);
            digests = bytes.concat(high, low);
        } else {
            bytes[] memory others = new bytes[](count);
            for (uint256 i = 0; i < count; ++i) {
                others[i] = msg.data[chain.tbs[first + i]:chain.tbsEnd[first + i]];
            }
            digests = SHA384_PAIR.digests(document, others);
        }
        for (uint256 i = 0; i <= count; ++i) {
            // The document's digest comes first and belongs last.
            uint256 from = i == count ? 0 : i + 1;
            assembly {
                mcopy(add(add(signatures, 128), mul(i, SIGNATURE)), add(add(digests, 32), mul(from, 48)), 48)
            }
        }
    }

    function _facts(NitroDocument.Fields memory fields, uint64 validUntil)
        private
        pure
        returns (Attestation memory attestation)
    {
        uint256 at0 = fields.pcr[0];
        uint256 at1 = fields.pcr[1];
        uint256 at2 = fields.pcr[2];
        uint256 at8 = fields.pcr[3];
        attestation.imageId = keccak256(
            bytes.concat(
                msg.data[at0:at0 + 48],
                msg.data[at1:at1 + 48],
                msg.data[at2:at2 + 48],
                at8 == 0 ? new bytes(48) : msg.data[at8:at8 + 48]
            )
        );
        attestation.deviceId = _hash(fields.moduleId, fields.moduleIdEnd);
        attestation.publicKeyHash = _optional(fields.publicKey, fields.publicKeyEnd);
        attestation.userDataHash = _optional(fields.userData, fields.userDataEnd);
        attestation.nonceHash = _optional(fields.nonce, fields.nonceEnd);
        attestation.attestedAt = uint64(fields.timestamp / 1000);
        attestation.validUntil = validUntil;
        attestation.teeType = TEE_NITRO;
        attestation.debug = _hash(at0, at0 + 48) == EMPTY_PCR && _hash(at1, at1 + 48) == EMPTY_PCR
            && _hash(at2, at2 + 48) == EMPTY_PCR;
    }

    function _requireNotRevoked(uint256 index, uint256 serial, uint256 serialEnd, uint256 issuer, uint256 issuerEnd)
        private
        view
    {
        bytes32 id = keccak256(bytes.concat(msg.data[issuer:issuerEnd], msg.data[serial:serialEnd]));
        require(!isRevoked[id], NitroRevoked(index, id));
    }

    function _optional(uint256 start, uint256 stop) private pure returns (bytes32) {
        return stop == 0 ? bytes32(0) : _hash(start, stop);
    }

    function _hash(uint256 start, uint256 stop) private pure returns (bytes32) {
        return keccak256(msg.data[start:stop]);
    }
}
