// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// An element reaches past the end of its parent. Positions count from the start of the call's data.
error DerTruncated(uint256 position, uint256 end);
error DerTag(uint256 position, uint256 expected, uint256 found);
/// Not the shortest form, the indefinite form, or more than 65,535 bytes.
error DerLength(uint256 position);
/// The children do not fill their parent.
error DerTrailing(uint256 position, uint256 end);
/// An integer that is empty, negative or padded.
error DerInteger(uint256 position);
/// A boolean other than 00 and ff, or a default written out.
error DerBoolean(uint256 position);
/// A list of named bits that is empty, has padding that is not zero, or ends with zeros.
error DerBitString(uint256 position);
/// Neither UTCTime nor GeneralizedTime in the one form that DER allows, or a day that does not exist.
error DerTime(uint256 position);

/// @title Strict DER over calldata (X.690)
/// @dev Every reader takes a position and its parent's end; an element never reaches past its parent.
library Der {
    uint256 internal constant BOOLEAN = 0x01;
    uint256 internal constant INTEGER = 0x02;
    uint256 internal constant BIT_STRING = 0x03;
    uint256 internal constant OCTET_STRING = 0x04;
    uint256 internal constant OID = 0x06;
    uint256 internal constant UTC_TIME = 0x17;
    uint256 internal constant GENERALIZED_TIME = 0x18;
    uint256 internal constant SEQUENCE = 0x30;

    /// Reads tag and length; returns where the content starts and ends.
    function open(uint256 position, uint256 end, uint256 tag) internal pure returns (uint256 start, uint256 stop) {
        unchecked {
            // Both bytes, or a parent that ends in the middle of them.
            require(position + 2 <= end, DerTruncated(position, end));
            uint256 word;
            assembly {
                word := calldataload(position)
            }
            require(word >> 248 == tag, DerTag(position, tag, word >> 248));
            uint256 length = (word >> 240) & 0xff;
            start = position + 2;
            if (length > 0x7f) {
                if (length == 0x81) {
                    length = (word >> 232) & 0xff;
                    start = position + 3;
                    require(length > 0x7f, DerLength(position));
                } else {
                    require(length == 0x82, DerLength(position));
                    length = (word >> 224) & 0xffff;
                    start = position + 4;
                    require(length > 0xff, DerLength(position));
                }
            }
            stop = start + length;
            require(stop <= end, DerTruncated(position, end));
        }
    }

    /// The tag of the next element; 0, which no element has, when the parent is exhausted.
    function peek(uint256 position, uint256 end) internal pure returns (uint256 tag) {
        if (position >= end) return 0;
        assembly {
            tag := byte(0, calldataload(position))
        }
    }

    function close(uint256 position, uint256 end) internal pure {
        require(position == end, DerTrailing(position, end));
    }

    /// A non-negative integer in its one encoding; a leading zero byte of the encoding is left out of the content.
    function unsigned(uint256 position, uint256 end) internal pure returns (uint256 start, uint256 stop) {
        (start, stop) = open(position, end, INTEGER);
        uint256 word;
        assembly {
            word := calldataload(start)
        }
        require(start < stop && word >> 255 == 0, DerInteger(position));
        if (word >> 248 == 0 && stop - start > 1) {
            require((word >> 247) & 1 == 1, DerInteger(position));
            unchecked {
                ++start;
            }
        }
    }

    /// `BOOLEAN DEFAULT FALSE`: DER writes it only when it is true.
    function defaultFalse(uint256 position, uint256 end) internal pure returns (bool value, uint256 next) {
        if (peek(position, end) != BOOLEAN) return (false, position);
        (uint256 start, uint256 stop) = open(position, end, BOOLEAN);
        uint256 word;
        assembly {
            word := calldataload(start)
        }
        require(stop - start == 1 && word >> 248 == 0xff, DerBoolean(position));
        return (true, stop);
    }

    /// The first byte of a list of named bits of one or two bytes.
    function namedBits(uint256 position, uint256 end) internal pure returns (uint256 bits, uint256 next) {
        uint256 start;
        (start, next) = open(position, end, BIT_STRING);
        uint256 word;
        assembly {
            word := calldataload(start)
        }
        uint256 unused = word >> 248;
        uint256 length = next - start;
        require((length == 2 || length == 3) && unused < 8, DerBitString(position));
        uint256 last = (length == 2 ? word >> 240 : word >> 232) & 0xff;
        // The last bit that counts is a one, those after it are zero.
        require(last & ((2 << unused) - 1) == 1 << unused, DerBitString(position));
        bits = (word >> 240) & 0xff;
    }

    /// UTCTime (YYMMDDHHMMSSZ, 1950 to 2049) or GeneralizedTime (YYYYMMDDHHMMSSZ), in seconds since 1970.
    function time(uint256 position, uint256 end) internal pure returns (uint256 seconds_, uint256 next) {
        uint256 tag = peek(position, end);
        uint256 start;
        (start, next) = open(position, end, tag == GENERALIZED_TIME ? GENERALIZED_TIME : UTC_TIME);
        uint256 text;
        assembly {
            text := calldataload(start)
        }
        uint256 year;
        if (tag == GENERALIZED_TIME) {
            require(next - start == 15, DerTime(position));
            year = _pair(text, 0, position) * 100;
            text <<= 16;
            year += _pair(text, 0, position);
        } else {
            require(next - start == 13, DerTime(position));
            year = _pair(text, 0, position);
            year += year < 50 ? 2000 : 1900;
        }
        require((text >> 152) & 0xff == 0x5a && year > 1969, DerTime(position)); // "Z"
        seconds_ = _days(year, _pair(text, 1, position), _pair(text, 2, position), position) * 86_400;
        uint256 hour = _pair(text, 3, position);
        uint256 minute = _pair(text, 4, position);
        uint256 second = _pair(text, 5, position);
        require(hour < 24 && minute < 60 && second < 60, DerTime(position));
        seconds_ += hour * 3600 + minute * 60 + second;
    }

    /// Two decimal digits, the index-th pair from the left.
    function _pair(uint256 text, uint256 index, uint256 position) private pure returns (uint256) {
        unchecked {
            uint256 pair = (text >> (240 - 16 * index)) & 0xffff;
            // A byte below "0" wraps to a large number.
            uint256 tens = (pair >> 8) - 0x30;
            uint256 ones = (pair & 0xff) - 0x30;
            require(tens < 10 && ones < 10, DerTime(position));
            return tens * 10 + ones;
        }
    }

    /// Days since 1970-01-01 of a date of the Gregorian calendar, which must exist.
    function _days(uint256 year, uint256 month, uint256 day, uint256 position) private pure returns (uint256) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        require(month > 0 && month < 13, DerTime(position));
        // Lengths of the months, a byte each, January last.
        uint256 length = (0x1f1e1f1e1f1f1e1f1e1f1c1f >> (8 * (month - 1))) & 0xff;
        if (leap && month == 2) length = 29;
        require(day > 0 && day <= length, DerTime(position));
        // Years count from March, so that the leap day comes last.
        uint256 shifted = month > 2 ? month - 3 : month + 9;
        uint256 y = month > 2 ? year : year - 1;
        return 365 * y + y / 4 - y / 100 + y / 400 + (153 * shifted + 2) / 5 + day - 1 - 719_468;
    }
}
