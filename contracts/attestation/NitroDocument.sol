// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Cbor, CborTrailing} from "./cbor/Cbor.sol";

error NitroDuplicateField(bytes32 key);
error NitroDuplicatePcr(uint256 index);
/// PCR indices run from 0 to 31, whatever number of them is present.
error NitroPcrIndex(uint256 index);
/// A PCR of SHA-384 has 48 bytes.
error NitroPcrLength(uint256 index, uint256 length);
error NitroMissingField(bytes32 key);
/// PCR0 to PCR2 measure the image; without them nothing is attested.
error NitroMissingPcr(uint256 index);
/// Any digest but "SHA384".
error NitroDigest(bytes32 digest);
error NitroTimestamp(uint256 milliseconds);
/// Empty where it may not be, or longer than the device ever makes it.
error NitroFieldLength(bytes32 key, uint256 length);

/// @title The signed payload of a Nitro attestation document
/// @dev Fields come in any order, maps and arrays in either length form; optional fields may be absent, null or empty.
/// A field that is not known is walked over; one that is known appears once.
library NitroDocument {
    /// Positions in the call's data. Optional fields that are absent or null have `end` 0.
    struct Fields {
        uint256 moduleId;
        uint256 moduleIdEnd;
        uint256 timestamp; // milliseconds
        uint256 pcrs; // bit i: PCR i is present
        uint256[4] pcr; // positions of PCR0, 1, 2 and 8
        uint256 certificates; // authorities, root first, then the document's own
        uint256[] certificate;
        uint256[] certificateEnd;
        uint256 publicKey;
        uint256 publicKeyEnd;
        uint256 userData;
        uint256 userDataEnd;
        uint256 nonce;
        uint256 nonceEnd;
    }

    /// Authorities above the leaf. Four in every document known; the signature kernel's batch is what limits them.
    uint256 internal constant MAX_AUTHORITIES = 7;
    uint256 internal constant PCR_LENGTH = 48;

    uint256 private constant MAX_FIELDS = 32;
    uint256 private constant MAX_PCRS = 32;
    uint256 private constant MAX_LENGTH = 1024;

    // A key is compared with its length in the last byte, so that "nonce" and "nonce\0" differ.
    bytes32 private constant MODULE_ID = bytes32("module_id") | bytes32(uint256(9));
    bytes32 private constant DIGEST = bytes32("digest") | bytes32(uint256(6));
    bytes32 private constant TIMESTAMP = bytes32("timestamp") | bytes32(uint256(9));
    bytes32 private constant PCRS = bytes32("pcrs") | bytes32(uint256(4));
    bytes32 private constant CERTIFICATE = bytes32("certificate") | bytes32(uint256(11));
    bytes32 private constant CABUNDLE = bytes32("cabundle") | bytes32(uint256(8));
    bytes32 private constant PUBLIC_KEY = bytes32("public_key") | bytes32(uint256(10));
    bytes32 private constant USER_DATA = bytes32("user_data") | bytes32(uint256(9));
    bytes32 private constant NONCE = bytes32("nonce") | bytes32(uint256(5));
    bytes32 private constant SHA384 = bytes32("SHA384") | bytes32(uint256(6));

    function parse(uint256 position, uint256 end) internal pure returns (Fields memory fields) {
        fields.certificate = new uint256[](MAX_AUTHORITIES + 1);
        fields.certificateEnd = new uint256[](MAX_AUTHORITIES + 1);
        bytes32[] memory keys = new bytes32[](MAX_FIELDS);
        uint256 count;
        (count, position) = Cbor.expect(position, end, Cbor.MAP, true);
        uint256 done;
        while (true) {
            bool goesOn;
            (goesOn, position) = Cbor.more(position, end, count, done, MAX_FIELDS);
            if (!goesOn) break;
            bytes32 key;
            (key, position) = _text(position, end);
            for (uint256 i = 0; i < done; ++i) {
                require(keys[i] != key, NitroDuplicateField(key));
            }
            keys[done] = key;
            position = _field(fields, key, position, end);
            unchecked {
                ++done;
            }
        }
        require(position == end, CborTrailing(position, end));
        _requireComplete(fields, keys, done);
    }

    function _field(Fields memory fields, bytes32 key, uint256 position, uint256 end) private pure returns (uint256) {
        if (key == MODULE_ID) {
            (fields.moduleId, fields.moduleIdEnd) = Cbor.string_(position, end, Cbor.TEXT, true);
            _requireLength(key, fields.moduleId, fields.moduleIdEnd, 1);
            return fields.moduleIdEnd;
        }
        if (key == DIGEST) {
            bytes32 digest;
            (digest, position) = _text(position, end);
            require(digest == SHA384, NitroDigest(digest));
            return position;
        }
        if (key == TIMESTAMP) {
            (fields.timestamp, position) = Cbor.expect(position, end, Cbor.UINT, true);
            require(fields.timestamp != 0, NitroTimestamp(0));
            return position;
        }
        if (key == PCRS) return _pcrs(fields, position, end);
        if (key == CERTIFICATE) {
            return _certificate(fields, MAX_AUTHORITIES, key, position, end);
        }
        if (key == CABUNDLE) return _bundle(fields, position, end);
        if (key == PUBLIC_KEY) {
            (fields.publicKey, fields.publicKeyEnd, position) = _optional(key, position, end);
        } else if (key == USER_DATA) {
            (fields.userData, fields.userDataEnd, position) = _optional(key, position, end);
        } else if (key == NONCE) {
            (fields.nonce, fields.nonceEnd, position) = _optional(key, position, end);
        } else {
            position = Cbor.skip(position, end, true);
        }
        return position;
    }

    function _pcrs(Fields memory fields, uint256 position, uint256 end) private pure returns (uint256) {
        uint256 count;
        (count, position) = Cbor.expect(position, end, Cbor.MAP, true);
        uint256 seen;
        for (uint256 done = 0; ; ++done) {
            bool goesOn;
            (goesOn, position) = Cbor.more(position, end, count, done, MAX_PCRS);
            if (!goesOn) break;
            uint256 index;
            (index, position) = Cbor.expect(position, end, Cbor.UINT, true);
            require(index < 32, NitroPcrIndex(index));
            require(seen & (1 << index) == 0, NitroDuplicatePcr(index));
            seen |= 1 << index;
            uint256 start;
            (start, position) = Cbor.string_(position, end, Cbor.BYTES, true);
            require(position - start == PCR_LENGTH, NitroPcrLength(index, position - start));
            if (index < 3) fields.pcr[index] = start;
            else if (index == 8) fields.pcr[3] = start;
        }
        fields.pcrs = seen;
        return position;
    }

    function _bundle(Fields memory fields, uint256 position, uint256 end) private pure returns (uint256) {
        uint256 count;
        (count, position) = Cbor.expect(position, end, Cbor.ARRAY, true);
        for (uint256 done = 0; ; ++done) {
            bool goesOn;
            (goesOn, position) = Cbor.more(position, end, count, done, MAX_AUTHORITIES);
            if (!goesOn) {
                require(done != 0, NitroFieldLength(CABUNDLE, 0));
                fields.certificates = done;
                return position;
            }
            position = _certificate(fields, done, CABUNDLE, position, end);
        }
        return position;
    }

    function _certificate(Fields memory fields, uint256 index, bytes32 key, uint256 position, uint256 end)
        private
        pure
        returns (uint256 stop)
    {
        uint256 start;
        (start, stop) = Cbor.string_(position, end, Cbor.BYTES, true);
        _requireLength(key, start, stop, 1);
        fields.certificate[index] = start;
        fields.certificateEnd[index] = stop;
    }

    /// Absent and null are the same; an empty string is something else.
    function _optional(bytes32 key, uint256 position, uint256 end)
        private
        pure
        returns (uint256 start, uint256 stop, uint256 next)
    {
        if (Cbor.isNull(position, end)) return (0, 0, position + 1);
        (start, stop) = Cbor.string_(position, end, Cbor.BYTES, true);
        _requireLength(key, start, stop, 0);
        return (start, stop, stop);
    }

    /// A text as one word: up to 31 bytes and its length, or a hash of what is longer and therefore known to nobody here.
    function _text(uint256 position, uint256 end) private pure returns (bytes32 word, uint256 next) {
        uint256 start;
        (start, next) = Cbor.string_(position, end, Cbor.TEXT, true);
        uint256 length = next - start;
        if (length > 31) return (keccak256(msg.data[start:next]), next);
        assembly {
            let unused := sub(256, shl(3, length))
            word := or(shl(unused, shr(unused, calldataload(start))), length)
        }
    }

    function _requireLength(bytes32 key, uint256 start, uint256 stop, uint256 minimum) private pure {
        uint256 length = stop - start;
        require(length >= minimum && length <= MAX_LENGTH, NitroFieldLength(key, length));
    }

    /// The leaf moves behind the last authority, so that the chain is one list.
    function _requireComplete(Fields memory fields, bytes32[] memory keys, uint256 count) private pure {
        _requireKey(DIGEST, keys, count);
        require(fields.moduleIdEnd != 0, NitroMissingField(MODULE_ID));
        require(fields.timestamp != 0, NitroMissingField(TIMESTAMP));
        require(fields.certificateEnd[MAX_AUTHORITIES] != 0, NitroMissingField(CERTIFICATE));
        uint256 last = fields.certificates;
        require(last != 0, NitroMissingField(CABUNDLE));
        _requireKey(PCRS, keys, count);
        for (uint256 i = 0; i < 3; ++i) {
            require(fields.pcr[i] != 0, NitroMissingPcr(i));
        }
        fields.certificate[last] = fields.certificate[MAX_AUTHORITIES];
        fields.certificateEnd[last] = fields.certificateEnd[MAX_AUTHORITIES];
        fields.certificates = last + 1;
    }

    function _requireKey(bytes32 key, bytes32[] memory keys, uint256 count) private pure {
        for (uint256 i = 0; i < count; ++i) {
            if (keys[i] == key) return;
        }
        revert NitroMissingField(key);
    }
}
