// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Cbor, CborTrailing} from "./Cbor.sol";

/// A tag other than 18 (COSE_Sign1) stands before the document.
error CoseTag(uint256 tag);
/// Not an array of four.
error CoseShape(uint256 count);
/// The protected header must be exactly a1013822, {1: -35}, ES384: the algorithm is signed and has one spelling.
error CoseAlgorithm(bytes32 headerHash);
/// An ES384 signature is r | s, 96 bytes.
error CoseSignatureLength(uint256 length);
error CosePayloadLength(uint256 length);

/// @title COSE_Sign1 (RFC 9052) with ES384
/// @dev Only the protected header and the payload are signed. Everything else of the envelope (tag, how arrays and
/// lengths are written, the unprotected header) may be changed by anyone without breaking the signature; it is
/// checked to be well formed, skipped, and never part of an identity.
library CoseSign1 {
    struct Message {
        uint256 payload;
        uint256 payloadEnd;
        uint256 signature;
    }

    uint256 private constant TAG_SIGN1 = 18;
    uint256 private constant SIGNATURE_LENGTH = 96;
    bytes32 private constant ES384_HEADER = keccak256(hex"a1013822");
    /// array(4), "Signature1", the protected header, empty external data, and the first byte of the payload's length.
    bytes private constant PREFIX = hex"846a5369676e61747572653144a101382240" hex"59";

    function parse(bytes calldata document) internal pure returns (Message memory message) {
        uint256 position;
        assembly {
            position := document.offset
        }
        uint256 end = position + document.length;
        (uint256 major, uint256 value, uint256 next) = Cbor.head(position, end, false);
        if (major == Cbor.TAG) {
            require(value == TAG_SIGN1, CoseTag(value));
            position = next;
        }
        uint256 count;
        (count, position) = Cbor.expect(position, end, Cbor.ARRAY, false);
        require(count == 4 || count == Cbor.INDEFINITE, CoseShape(count));

        uint256 stop;
        (position, stop) = Cbor.string_(position, end, Cbor.BYTES, false);
        require(_hash(position, stop) == ES384_HEADER, CoseAlgorithm(_hash(position, stop)));

        // The unprotected header: a map, whatever it holds.
        Cbor.expect(stop, end, Cbor.MAP, false);
        position = Cbor.skip(stop, end, false);

        (message.payload, message.payloadEnd) = Cbor.string_(position, end, Cbor.BYTES, false);
        uint256 length = message.payloadEnd - message.payload;
        // Outside of these bounds the canonical length below would be another; no document is near either.
        require(length > 0xff && length < 0x10000, CosePayloadLength(length));

        (message.signature, stop) = Cbor.string_(message.payloadEnd, end, Cbor.BYTES, false);
        require(stop - message.signature == SIGNATURE_LENGTH, CoseSignatureLength(stop - message.signature));

        if (count == Cbor.INDEFINITE) {
            bool goesOn;
            (goesOn, stop) = Cbor.more(stop, end, Cbor.INDEFINITE, 4, 5);
            require(!goesOn, CoseShape(5));
        }
        require(stop == end, CborTrailing(stop, end));
    }

    /// The bytes that are signed, encoded canonically whatever the envelope looked like.
    function signedBytes(Message memory message) internal pure returns (bytes memory) {
        return abi.encodePacked(
            PREFIX, uint16(message.payloadEnd - message.payload), msg.data[message.payload:message.payloadEnd]
        );
    }

    function _hash(uint256 start, uint256 stop) private pure returns (bytes32) {
        return keccak256(msg.data[start:stop]);
    }
}
