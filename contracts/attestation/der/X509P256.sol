// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Der} from "./Der.sol";
import {
    X509Algorithm,
    X509CriticalExtension,
    X509DuplicateExtension,
    X509KeyNotReduced,
    X509NotAuthority,
    X509NotLeaf,
    X509PathLength,
    X509PublicKey,
    X509Serial,
    X509Signature,
    X509Version
} from "./X509.sol";

/// A key identifier that is missing, empty or longer than 32 bytes.
error X509KeyId(uint256 position, uint256 length);

/// @title X.509 certificates over P-256 with SHA-256 (RFC 5280), as far as Intel's need them
/// @dev The sister of X509, which reads P-384: the same rules with other constants, key identifiers, and one extension
/// that the caller names and reads itself.
library X509P256 {
    /// Positions in the call's data, and the facts that a path needs.
    struct Certificate {
        uint256 serial; // the number itself
        bytes32 authorityKey; // keccak256(issuer's name | authority key id)
        bytes32 subjectKey; // keccak256(subject's name | subject key id), 0 when it carries none
        uint256 issuer;
        uint256 issuerEnd;
        uint256 notBefore;
        uint256 notAfter;
        uint256 subject;
        uint256 subjectEnd;
        uint256 x;
        uint256 y;
        bool authority;
        uint256 keyUsage; // first byte of the bits, 0 when absent
        uint256 special; // content of the extension that the caller asked for
        uint256 specialEnd;
    }

    uint256 internal constant SPKI_LENGTH = 91;
    uint256 private constant KEY_OFFSET = 27;
    uint256 private constant DIGITAL_SIGNATURE = 0x80;
    uint256 private constant KEY_CERT_SIGN = 0x04;
    uint256 private constant EXPLICIT_EXTENSIONS = 0xa3;
    uint256 private constant KEY_ID = 0x80;
    uint256 private constant P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff;

    /// SEQUENCE { OID ecdsa-with-SHA256 }
    bytes12 private constant ALGORITHM = hex"300a06082a8648ce3d040302";
    /// version [0] { INTEGER 2 }
    bytes5 private constant VERSION = hex"a003020102";
    /// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING { 0 unused, 04 (uncompressed) } }
    bytes27 private constant SPKI = hex"3059301306072a8648ce3d020106082a8648ce3d03010703420004";

    /// The parts of something signed (a certificate, a revocation list): what is signed, with tag and length, and r, s.
    function envelope(uint256 position, uint256 end)
        internal
        pure
        returns (uint256 tbs, uint256 tbsEnd, uint256 r, uint256 s)
    {
        uint256 stop;
        (tbs, stop) = Der.open(position, end, Der.SEQUENCE);
        Der.close(stop, end);
        (, tbsEnd) = Der.open(tbs, end, Der.SEQUENCE);
        (uint256 bits, uint256 bitsEnd) = Der.open(algorithm(tbsEnd), end, Der.BIT_STRING);
        Der.close(bitsEnd, end);
        require(bits < bitsEnd && Der.peek(bits, bitsEnd) == 0, X509Signature(bits));
        (bits, stop) = Der.open(bits + 1, bitsEnd, Der.SEQUENCE);
        Der.close(stop, bitsEnd);
        (r, bits) = number(bits, stop);
        (s, bits) = number(bits, stop);
        Der.close(bits, stop);
    }

    /// A non-negative integer of at most 32 bytes.
    function number(uint256 position, uint256 end) internal pure returns (uint256 value, uint256 next) {
        uint256 start;
        (start, next) = Der.unsigned(position, end);
        uint256 length = next - start;
        require(length < 33, X509Signature(position));
        value = uint256(_word(start)) >> (8 * (32 - length));
    }

    function serialNumber(uint256 position, uint256 end) internal pure returns (uint256 serial, uint256 next) {
        uint256 start;
        (start, next) = Der.unsigned(position, end);
        require(next - start < 21, X509Serial(start, next - start));
        serial = uint256(_word(start)) >> (8 * (32 - (next - start)));
    }

    /// Reads the signed part. `special` is the OID, left-aligned, with tag and length, of an extension to hand back.
    function parse(uint256 tbs, uint256 end, bytes32 special) internal pure returns (Certificate memory certificate) {
        (uint256 position,) = Der.open(tbs, end, Der.SEQUENCE);
        require(bytes5(_word(position)) == VERSION, X509Version(position));
        (certificate.serial, position) = serialNumber(position + VERSION.length, end);
        position = algorithm(position);
        certificate.issuer = position;
        (, position) = Der.open(position, end, Der.SEQUENCE);
        certificate.issuerEnd = position;

        (uint256 start, uint256 stop) = Der.open(position, end, Der.SEQUENCE);
        (certificate.notBefore, start) = Der.time(start, stop);
        (certificate.notAfter, start) = Der.time(start, stop);
        Der.close(start, stop);

        certificate.subject = stop;
        (, position) = Der.open(stop, end, Der.SEQUENCE);
        certificate.subjectEnd = position;

        require(position + SPKI_LENGTH <= end && bytes27(_word(position)) == SPKI, X509PublicKey(position));
        certificate.x = uint256(_word(position + KEY_OFFSET));
        certificate.y = uint256(_word(position + KEY_OFFSET + 32));
        require(certificate.x < P && certificate.y < P, X509KeyNotReduced(position));
        _extensions(certificate, position + SPKI_LENGTH, end, special);
    }

    function requireAuthority(Certificate memory certificate, uint256 position) internal pure {
        require(
            certificate.authority && certificate.keyUsage & KEY_CERT_SIGN != 0,
            X509NotAuthority(position, certificate.authority, certificate.keyUsage)
        );
    }

    function requireLeaf(Certificate memory certificate, uint256 position) internal pure {
        require(
            !certificate.authority && certificate.keyUsage & DIGITAL_SIGNATURE != 0,
            X509NotLeaf(position, certificate.authority, certificate.keyUsage)
        );
    }

    function algorithm(uint256 position) internal pure returns (uint256 next) {
        require(bytes12(_word(position)) == ALGORITHM, X509Algorithm(position));
        next = position + ALGORITHM.length;
    }

    /// One extension: its id if it stands in the standard's own arc 2.5.29 (else 0), and its content.
    function extension(uint256 position, uint256 end)
        internal
        pure
        returns (uint256 id, bool critical, uint256 start, uint256 stop, uint256 next)
    {
        (position, next) = Der.open(position, end, Der.SEQUENCE);
        (uint256 oid, uint256 oidEnd) = Der.open(position, next, Der.OID);
        uint256 word = uint256(_word(oid));
        if (oidEnd - oid == 3 && word >> 240 == 0x551d) id = (word >> 232) & 0xff;
        (critical, oidEnd) = Der.defaultFalse(oidEnd, next);
        (start, stop) = Der.open(oidEnd, next, Der.OCTET_STRING);
        Der.close(stop, next);
    }

    /// keccak256(name | key id): what an authority is known under, here and in what it issued.
    function keyOf(uint256 name, uint256 nameEnd, uint256 id, uint256 idEnd) internal pure returns (bytes32) {
        require(idEnd > id && idEnd - id < 33, X509KeyId(id, idEnd - id));
        return keccak256(bytes.concat(msg.data[name:nameEnd], msg.data[id:idEnd]));
    }

    /// The key id in an authority key identifier; nothing else of it is needed.
    function authorityKeyId(uint256 position, uint256 end) internal pure returns (uint256 id, uint256 idEnd) {
        (uint256 start, uint256 stop) = Der.open(position, end, Der.SEQUENCE);
        Der.close(stop, end);
        (id, idEnd) = Der.open(start, stop, KEY_ID);
    }

    function _extensions(Certificate memory certificate, uint256 position, uint256 end, bytes32 special) private pure {
        (uint256 next, uint256 stop) = Der.open(position, end, EXPLICIT_EXTENSIONS);
        Der.close(stop, end);
        (next, stop) = Der.open(next, end, Der.SEQUENCE);
        Der.close(stop, end);
        uint256 seen;
        while (next < stop) {
            (uint256 id, bool critical, uint256 start, uint256 valueEnd, uint256 after_) = extension(next, stop);
            if (id != 0) {
                require(seen & (1 << id) == 0, X509DuplicateExtension(next, id));
                seen |= 1 << id;
                require(_understood(certificate, id, start, valueEnd) || !critical, X509CriticalExtension(next));
            } else if (special != 0 && _isSpecial(next, special)) {
                require(certificate.specialEnd == 0, X509DuplicateExtension(next, 0));
                (certificate.special, certificate.specialEnd) = (start, valueEnd);
            } else {
                require(!critical, X509CriticalExtension(next));
            }
            next = after_;
        }
        require(certificate.authorityKey != 0, X509KeyId(position, 0));
    }

    function _understood(Certificate memory certificate, uint256 id, uint256 start, uint256 end) private pure returns (bool) {
        if (id == 35) {
            (start, end) = authorityKeyId(start, end);
            certificate.authorityKey = keyOf(certificate.issuer, certificate.issuerEnd, start, end);
        } else if (id == 14) {
            _subjectKey(certificate, start, end);
        } else if (id == 15) {
            (certificate.keyUsage, start) = Der.namedBits(start, end);
            Der.close(start, end);
        } else if (id == 19) {
            _basicConstraints(certificate, start, end);
        } else {
            return false;
        }
        return true;
    }

    function _subjectKey(Certificate memory certificate, uint256 position, uint256 end) private pure {
        (uint256 start, uint256 stop) = Der.open(position, end, Der.OCTET_STRING);
        Der.close(stop, end);
        certificate.subjectKey = keyOf(certificate.subject, certificate.subjectEnd, start, stop);
    }

    function _basicConstraints(Certificate memory certificate, uint256 position, uint256 end) private pure {
        (uint256 start, uint256 stop) = Der.open(position, end, Der.SEQUENCE);
        Der.close(stop, end);
        (certificate.authority, start) = Der.defaultFalse(start, stop);
        if (start < stop) {
            // Intel's tree has two levels below the root, and their roles are pinned; the limit itself is not needed.
            uint256 limit;
            (limit, position) = number(start, stop);
            require(certificate.authority && limit < 128, X509PathLength(start));
            start = position;
        }
        Der.close(start, stop);
    }

    /// Whether the extension that starts here carries this OID. Its first three or five bytes are the sequence's own.
    function _isSpecial(uint256 position, bytes32 special) private pure returns (bool) {
        (uint256 start,) = Der.open(position, type(uint256).max, Der.SEQUENCE);
        uint256 length = uint256(uint8(special[1])) + 2;
        return bytes32(uint256(_word(start)) >> (8 * (32 - length)) << (8 * (32 - length))) == special;
    }

    function _word(uint256 position) private pure returns (bytes32 word) {
        assembly {
            word := calldataload(position)
        }
    }
}
