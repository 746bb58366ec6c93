// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// An item, or what it announces, reaches past the end of the bytes that hold it. All positions count from the start of
/// the call's data.
error CborTruncated(uint256 position, uint256 end);
/// Additional information 28 to 30 is reserved; 31 means nothing for integers and tags.
error CborReserved(uint256 position, uint256 initialByte);
/// A shorter encoding of the same number exists.
error CborNotMinimal(uint256 position, uint256 value);
/// Floating point has no place in a document that is hashed and compared.
error CborFloat(uint256 position);
/// A simple value other than false, true, null and undefined.
error CborSimple(uint256 position, uint256 value);
error CborType(uint256 position, uint256 expectedMajor, uint256 foundMajor);
/// A string in chunks where one piece is required.
error CborIndefinite(uint256 position);
/// A break with nothing to end, or a piece of a string that is no string.
error CborBreak(uint256 position);
error CborTooDeep(uint256 position, uint256 depth);
error CborTooMany(uint256 position, uint256 count, uint256 limit);
/// Bytes are left after the last item.
error CborTrailing(uint256 position, uint256 end);

/// @title CBOR over calldata (RFC 8949)
/// @dev A reader has no state: it takes a position and the end of the enclosing bytes and returns the next position.
/// `strict` demands the shortest form of every number. Signed content is read strictly; the envelope, which nobody
/// signs and which may be re-encoded by whoever carries it, is not.
library Cbor {
    uint256 internal constant UINT = 0;
    uint256 internal constant BYTES = 2;
    uint256 internal constant TEXT = 3;
    uint256 internal constant ARRAY = 4;
    uint256 internal constant MAP = 5;
    uint256 internal constant TAG = 6;
    uint256 internal constant SIMPLE = 7;

    /// The "value" of an item that says that its length follows from a break. No number is as large.
    uint256 internal constant INDEFINITE = type(uint256).max;

    uint256 private constant NULL = 0xf6;
    uint256 private constant BREAK = 0xff;
    uint256 private constant MAX_DEPTH = 8;
    uint256 private constant MAX_ITEMS = 64;

    /// @return major The major type. @return value The number, length or count. @return next Where the content starts.
    function head(uint256 position, uint256 end, bool strict)
        internal
        pure
        returns (uint256 major, uint256 value, uint256 next)
    {
        unchecked {
            require(position < end, CborTruncated(position, end));
            uint256 word;
            assembly {
                word := calldataload(position)
            }
            major = word >> 253;
            uint256 info = (word >> 248) & 31;
            next = position + 1;
            if (info < 24) return (major, info, next);
            if (info == 31) {
                require(major > 1 && major != TAG, CborReserved(position, word >> 248));
                require(major != SIMPLE, CborBreak(position));
                return (major, INDEFINITE, next);
            }
            require(info < 28, CborReserved(position, word >> 248));
            require(major != SIMPLE || info == 24, CborFloat(position));
            uint256 size = 1 << (info - 24);
            next += size;
            require(next <= end, CborTruncated(position, end));
            value = (word << 8) >> (256 - 8 * size);
            require(major != SIMPLE, CborSimple(position, value));
            if (strict) {
                // Below 24 for one byte; what fits half the size otherwise.
                require(size == 1 ? value >= 24 : value >> (4 * size) != 0, CborNotMinimal(position, value));
            }
        }
    }

    /// Reads the head of an item of one type. For arrays and maps the value may be INDEFINITE.
    function expect(uint256 position, uint256 end, uint256 expected, bool strict)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        uint256 major;
        (major, value, next) = head(position, end, strict);
        require(major == expected, CborType(position, expected, major));
    }

    /// A byte or text string in one piece: where it starts and ends.
    function string_(uint256 position, uint256 end, uint256 expected, bool strict)
        internal
        pure
        returns (uint256 start, uint256 stop)
    {
        uint256 length;
        (length, start) = expect(position, end, expected, strict);
        require(length != INDEFINITE, CborIndefinite(position));
        unchecked {
            // A length is below 2^64, a position far below: no wrap.
            stop = start + length;
        }
        require(stop <= end, CborTruncated(position, end));
    }

    function isNull(uint256 position, uint256 end) internal pure returns (bool) {
        require(position < end, CborTruncated(position, end));
        return _byteAt(position) == NULL;
    }

    /// Whether a collection of `count` entries goes on after `done` of them; a break is consumed.
    function more(uint256 position, uint256 end, uint256 count, uint256 done, uint256 limit)
        internal
        pure
        returns (bool goesOn, uint256 next)
    {
        if (count == INDEFINITE) {
            require(position < end, CborTruncated(position, end));
            if (_byteAt(position) == BREAK) return (false, position + 1);
            require(done < limit, CborTooMany(position, done + 1, limit));
        } else {
            require(count <= limit, CborTooMany(position, count, limit));
            if (done == count) return (false, position);
        }
        return (true, position);
    }

    /// Walks over one item of any kind and returns the position after it.
    function skip(uint256 position, uint256 end, bool strict) internal pure returns (uint256) {
        return _skip(position, end, strict, 0);
    }

    function _skip(uint256 position, uint256 end, bool strict, uint256 depth) private pure returns (uint256 next) {
        require(depth < MAX_DEPTH, CborTooDeep(position, depth));
        uint256 major;
        uint256 value;
        (major, value, next) = head(position, end, strict);
        if (major < BYTES) return next;
        if (major == SIMPLE) {
            require(value > 19 && value < 24, CborSimple(position, value));
            return next;
        }
        if (major == TAG) return _skip(next, end, strict, depth + 1);
        if (major < ARRAY) {
            if (value != INDEFINITE) {
                require(next + value <= end, CborTruncated(position, end));
                return next + value;
            }
            return _skipChunks(next, end, strict, major);
        }
        bool goesOn;
        for (uint256 i = 0; ; ++i) {
            (goesOn, next) = more(next, end, value, i, MAX_ITEMS);
            if (!goesOn) return next;
            next = _skip(next, end, strict, depth + 1);
            // A break may not part a key from its value: `head` refuses it there.
            if (major == MAP) next = _skip(next, end, strict, depth + 1);
        }
    }

    /// Chunks are whole strings of the same type.
    function _skipChunks(uint256 position, uint256 end, bool strict, uint256 major) private pure returns (uint256 next) {
        next = position;
        bool goesOn;
        for (uint256 i = 0; ; ++i) {
            (goesOn, next) = more(next, end, INDEFINITE, i, MAX_ITEMS);
            if (!goesOn) return next;
            (, next) = string_(next, end, major, strict);
        }
    }

    function _byteAt(uint256 position) private pure returns (uint256 value) {
        assembly {
            value := byte(0, calldataload(position))
        }
    }
}
