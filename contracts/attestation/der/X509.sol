// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Der} from "./Der.sol";

/// Only version 3 has extensions, and a certificate authority needs them.
error X509Version(uint256 position);
/// Serial numbers have at most 20 bytes (RFC 5280, 4.1.2.2).
error X509Serial(uint256 position, uint256 length);
/// Not ecdsa-with-SHA384, inside the signed part or around it.
error X509Algorithm(uint256 position);
/// The key is not an uncompressed point on P-384.
error X509PublicKey(uint256 position);
/// A coordinate is not below the field's prime: a second name for another key.
error X509KeyNotReduced(uint256 position);
/// Bits of the signature's string are unused, or r or s has more than 48 bytes.
error X509Signature(uint256 position);
error X509DuplicateExtension(uint256 position, uint256 id);
/// An extension that the issuer wants understood and that is not understood here.
error X509CriticalExtension(uint256 position);
/// A path length where there is no authority, or above 127.
error X509PathLength(uint256 position);
/// Neither the certificate's basic constraints nor its key usage may be missing where `role` needs them.
error X509NotAuthority(uint256 position, bool authority, uint256 keyUsage);
error X509NotLeaf(uint256 position, bool authority, uint256 keyUsage);

/// @title X.509 certificates over P-384 with SHA-384 (RFC 5280), as far as attestation needs them
/// @dev Names are compared as bytes, never read. Time, links between certificates and revocation are the caller's.
library X509 {
    /// Positions in the call's data, and the facts that a path needs.
    struct Certificate {
        uint256 serial;
        uint256 serialEnd;
        uint256 issuer;
        uint256 issuerEnd;
        uint256 notBefore;
        uint256 notAfter;
        uint256 subject;
        uint256 subjectEnd; // where the subject's public key starts
        bool authority;
        uint256 pathLength; // NO_LIMIT when absent
        uint256 keyUsage; // first byte of the bits, 0 when absent
    }

    uint256 internal constant NO_LIMIT = 0xff;
    /// From the start of SubjectPublicKeyInfo to the coordinates.
    uint256 internal constant KEY_OFFSET = 24;

    uint256 private constant SPKI_LENGTH = 120;
    uint256 private constant DIGITAL_SIGNATURE = 0x80;
    uint256 private constant KEY_CERT_SIGN = 0x04;
    uint256 private constant EXPLICIT_EXTENSIONS = 0xa3;

    /// SEQUENCE { OID ecdsa-with-SHA384 }
    bytes12 private constant ALGORITHM = hex"300a06082a8648ce3d040303";
    /// version [0] { INTEGER 2 }
    bytes5 private constant VERSION = hex"a003020102";
    /// SEQUENCE { SEQUENCE { id-ecPublicKey, secp384r1 }, BIT STRING { 0 unused, 04 (uncompressed) } }
    bytes24 private constant SPKI = hex"3076301006072a8648ce3d020106052b8104002203620004";

    uint256 private constant P_HIGH = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe;
    uint256 private constant P_LOW = 0xffffffff0000000000000000ffffffff;

    /// The three parts of a certificate: what is signed (tag and length included), and the signature's two integers.
    function envelope(uint256 position, uint256 end)
        internal
        pure
        returns (uint256 tbs, uint256 tbsEnd, uint256 signature, uint256 signatureEnd)
    {
        uint256 stop;
        (tbs, stop) = Der.open(position, end, Der.SEQUENCE);
        Der.close(stop, end);
        (, tbsEnd) = Der.open(tbs, end, Der.SEQUENCE);
        uint256 bits = _algorithm(tbsEnd);
        (signature, signatureEnd) = Der.open(bits, end, Der.BIT_STRING);
        require(signature < signatureEnd && Der.peek(signature, signatureEnd) == 0, X509Signature(signature));
        unchecked {
            ++signature;
        }
        Der.close(signatureEnd, end);
    }

    /// Where the bytes of r and s stand, at most 48 of each. Their range is the curve's matter, their length is not: the
    /// kernel takes fields of fixed size, and what is longer would run into the next one.
    function integers(uint256 position, uint256 end)
        internal
        pure
        returns (uint256 r, uint256 rEnd, uint256 s, uint256 sEnd)
    {
        (uint256 start, uint256 stop) = Der.open(position, end, Der.SEQUENCE);
        Der.close(stop, end);
        (r, rEnd) = Der.unsigned(start, stop);
        require(rEnd - r < 49, X509Signature(r));
        (s, sEnd) = Der.unsigned(rEnd, stop);
        require(sEnd - s < 49, X509Signature(s));
        Der.close(sEnd, stop);
    }

    /// Reads the signed part.
    function parse(uint256 tbs, uint256 end) internal pure returns (Certificate memory certificate) {
        (certificate.serial, certificate.serialEnd, certificate.issuer, certificate.issuerEnd) = identity(tbs, end);

        (uint256 start, uint256 stop) = Der.open(certificate.issuerEnd, end, Der.SEQUENCE);
        (certificate.notBefore, start) = Der.time(start, stop);
        (certificate.notAfter, start) = Der.time(start, stop);
        Der.close(start, stop);

        certificate.subject = stop;
        (, uint256 position) = Der.open(stop, end, Der.SEQUENCE);
        certificate.subjectEnd = position;

        _publicKey(position, end);
        position += SPKI_LENGTH;
        certificate.pathLength = NO_LIMIT;
        if (position != end) _extensions(certificate, position, end);
    }

    /// What a revocation list names: the serial number's content and the issuer's whole name.
    function identity(uint256 tbs, uint256 end)
        internal
        pure
        returns (uint256 serial, uint256 serialEnd, uint256 issuer, uint256 issuerEnd)
    {
        (uint256 position,) = Der.open(tbs, end, Der.SEQUENCE);
        require(bytes5(_word(position)) == VERSION, X509Version(position));
        unchecked {
            position += VERSION.length;
        }
        (serial, serialEnd) = Der.unsigned(position, end);
        require(serialEnd - serial < 21, X509Serial(serial, serialEnd - serial));
        issuer = _algorithm(serialEnd);
        (, issuerEnd) = Der.open(issuer, end, Der.SEQUENCE);
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

    function _algorithm(uint256 position) private pure returns (uint256 next) {
        require(bytes12(_word(position)) == ALGORITHM, X509Algorithm(position));
        unchecked {
            next = position + ALGORITHM.length;
        }
    }

    function _publicKey(uint256 position, uint256 end) private pure {
        require(position + SPKI_LENGTH <= end && bytes24(_word(position)) == SPKI, X509PublicKey(position));
        unchecked {
            for (uint256 at = position + KEY_OFFSET; at < position + SPKI_LENGTH; at += 48) {
                uint256 high = uint256(_word(at));
                uint256 low = uint256(_word(at + 16)) & type(uint128).max;
                require(high < P_HIGH || (high == P_HIGH && low < P_LOW), X509KeyNotReduced(at));
            }
        }
    }

    function _extensions(Certificate memory certificate, uint256 position, uint256 end) private pure {
        (uint256 next, uint256 stop) = Der.open(position, end, EXPLICIT_EXTENSIONS);
        Der.close(stop, end);
        (next, stop) = Der.open(next, end, Der.SEQUENCE);
        Der.close(stop, end);
        uint256 seen;
        while (next < stop) {
            (uint256 start, uint256 extensionEnd) = Der.open(next, stop, Der.SEQUENCE);
            seen = _extension(certificate, start, extensionEnd, seen);
            next = extensionEnd;
        }
    }

    /// One extension. `seen` has a bit for each of those that stand in the standard's own arc, 2.5.29.
    function _extension(Certificate memory certificate, uint256 position, uint256 end, uint256 seen)
        private
        pure
        returns (uint256)
    {
        (uint256 start, uint256 next) = Der.open(position, end, Der.OID);
        uint256 id;
        uint256 word = uint256(_word(start));
        if (next - start == 3 && word >> 240 == 0x551d) {
            id = (word >> 232) & 0xff;
            require(seen & (1 << id) == 0, X509DuplicateExtension(position, id));
            seen |= 1 << id;
        }
        bool critical;
        (critical, next) = Der.defaultFalse(next, end);
        uint256 stop;
        (start, stop) = Der.open(next, end, Der.OCTET_STRING);
        Der.close(stop, end);
        if (id == 19) {
            _basicConstraints(certificate, start, stop);
        } else if (id == 15) {
            (certificate.keyUsage, next) = Der.namedBits(start, stop);
            Der.close(next, stop);
        } else {
            require(!critical, X509CriticalExtension(position));
        }
        return seen;
    }

    function _basicConstraints(Certificate memory certificate, uint256 position, uint256 end) private pure {
        (uint256 start, uint256 stop) = Der.open(position, end, Der.SEQUENCE);
        Der.close(stop, end);
        (certificate.authority, start) = Der.defaultFalse(start, stop);
        if (start < stop) {
            uint256 next;
            (position, next) = Der.unsigned(start, stop);
            uint256 value = uint256(_word(position)) >> 248;
            require(certificate.authority && next - position == 1 && value < 128, X509PathLength(start));
            certificate.pathLength = value;
            start = next;
        }
        Der.close(start, stop);
    }

    function _word(uint256 position) private pure returns (bytes32 word) {
        assembly {
            word := calldataload(position)
        }
    }
}
