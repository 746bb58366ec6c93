// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title RSASSA-PSS over RSA-2048, exponent 65537, SHA-256, MGF1-SHA-256, salt of exactly 32 bytes (RFC 8017, 8.1.2 and 9.1.2)
/// @notice Strict: the signature is below the modulus, every padding bit is checked, and the salt has the one length that
/// today's OpenGradient enclaves use.
library RsaPss {
    uint256 private constant SIZE = 256;
    /// DB is everything before the hash and the trailer: 256 - 32 - 1.
    uint256 private constant DB_SIZE = 223;
    /// Zero octets of DB before its 0x01: 223 - 32 - 1.
    uint256 private constant PAD_SIZE = 190;
    /// DER of SubjectPublicKeyInfo up to the modulus, for RSA-2048.
    bytes private constant SPKI_PREFIX = hex"30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
    bytes private constant SPKI_SUFFIX = hex"0203010001";

    /// @return Whether `spki` is RSA-2048 with exponent 65537 in its one DER form, with an odd modulus of full length.
    function isKey(bytes memory spki) internal pure returns (bool) {
        if (spki.length != 294) return false;
        for (uint256 i = 0; i < 33; ++i) {
            if (spki[i] != SPKI_PREFIX[i]) return false;
        }
        for (uint256 i = 0; i < 5; ++i) {
            if (spki[289 + i] != SPKI_SUFFIX[i]) return false;
        }
        return uint8(spki[33]) & 0x80 != 0 && uint8(spki[288]) & 1 == 1;
    }

    /// @param spki A key that `isKey` accepted.
    /// @param message 32 bytes; they are hashed by SHA-256 here.
    function verify(bytes memory spki, bytes32 message, bytes memory signature) internal view returns (bool) {
        if (signature.length != SIZE || !_below(signature, spki)) return false;
        (bool ok, bytes memory em) = _power(spki, signature);
        return ok && _checkEncoding(em, sha256(abi.encodePacked(message)));
    }

    /// signature^65537 mod n.
    function _power(bytes memory spki, bytes memory signature) private view returns (bool ok, bytes memory em) {
        em = new bytes(SIZE);
        bytes memory input = new bytes(96 + SIZE + 3 + SIZE);
        assembly ("memory-safe") {
            let p := add(input, 32)
            mstore(p, SIZE)
            mstore(add(p, 32), 3)
            mstore(add(p, 64), SIZE)
            mcopy(add(p, 96), add(signature, 32), SIZE)
            mstore(add(p, 352), shl(232, 0x010001))
            mcopy(add(p, 355), add(spki, 65), SIZE)
            ok := staticcall(gas(), 0x05, p, 611, add(em, 32), SIZE)
            ok := and(ok, eq(returndatasize(), SIZE))
        }
    }

    function _checkEncoding(bytes memory em, bytes32 messageHash) private pure returns (bool) {
        // emBits is 2047: the leftmost bit must be zero, the last octet 0xbc.
        if (uint8(em[0]) & 0x80 != 0 || em[SIZE - 1] != 0xbc) return false;
        bytes32 hash;
        assembly ("memory-safe") {
            hash := mload(add(em, 255)) // 32 + 223
        }
        // Unmask DB in place, a block of 32 octets at a time; the seventh block ends inside of `hash`, which is out already.
        for (uint256 i = 0; i * 32 < DB_SIZE; ++i) {
            bytes32 mask = sha256(abi.encodePacked(hash, uint32(i)));
            assembly ("memory-safe") {
                let place := add(add(em, 32), mul(i, 32))
                mstore(place, xor(mload(place), mask))
            }
        }
        em[0] &= 0x7f;
        for (uint256 i = 0; i < PAD_SIZE; ++i) {
            if (em[i] != 0) return false;
        }
        if (em[PAD_SIZE] != 0x01) return false;
        bytes32 salt;
        assembly ("memory-safe") {
            salt := mload(add(em, 223)) // 32 + 191
        }
        return sha256(abi.encodePacked(bytes8(0), messageHash, salt)) == hash;
    }

    /// Whether the signature, read as a number, is below the modulus (at offset 33 of the SPKI).
    function _below(bytes memory signature, bytes memory spki) private pure returns (bool) {
        for (uint256 i = 0; i < SIZE; i += 32) {
            uint256 a;
            uint256 b;
            assembly ("memory-safe") {
                a := mload(add(add(signature, 32), i))
                b := mload(add(add(spki, 65), i))
            }
            if (a != b) return a < b;
        }
        return false;
    }
}
