// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// Not the character that stands here in Intel's own form, which has no white space. Positions count from the start of the
/// call's data.
error JsonCharacter(uint256 position, uint256 expected);
/// A string with an escape, a control character or a byte outside of ASCII, or one that does not end.
error JsonString(uint256 position);
/// Not a natural number below 2^32 in its shortest form.
error JsonNumber(uint256 position);
/// Not hexadecimal digits, or not as many as the field has.
error JsonHex(uint256 position, uint256 bytes_);
/// Not YYYY-MM-DDTHH:MM:SSZ, or a day that does not exist.
error JsonTime(uint256 position);
/// Nested deeper than anything that Intel signs.
error JsonTooDeep(uint256 position);

/// @title Strict JSON over calldata: the subset in which Intel signs its collateral
/// @dev Members may come in any order and unknown ones are skipped whole, because Intel has added members before without a
/// new version; what is known must be there once and in one form.
library Json {
    /// What is still to be read.
    struct Reader {
        uint256 at;
        uint256 end;
    }

    uint256 internal constant QUOTE = 0x22;
    uint256 internal constant COMMA = 0x2c;
    uint256 internal constant COLON = 0x3a;
    uint256 internal constant OPEN_LIST = 0x5b;
    uint256 internal constant CLOSE_LIST = 0x5d;
    uint256 internal constant OPEN = 0x7b;
    uint256 internal constant CLOSE = 0x7d;
    uint256 private constant MAX_DEPTH = 8;

    /// The next character, 0 at the end.
    function peek(Reader memory reader) internal pure returns (uint256 character) {
        uint256 at = reader.at;
        if (at >= reader.end) return 0;
        assembly {
            character := byte(0, calldataload(at))
        }
    }

    function take(Reader memory reader, uint256 character) internal pure {
        require(peek(reader) == character, JsonCharacter(reader.at, character));
        unchecked {
            ++reader.at;
        }
    }

    /// After a member: whether another one follows. Takes the comma or the closing bracket.
    function more(Reader memory reader, uint256 closing) internal pure returns (bool another) {
        another = peek(reader) == COMMA;
        take(reader, another ? COMMA : closing);
    }

    /// A string without escapes.
    function text(Reader memory reader) internal pure returns (uint256 start, uint256 last) {
        take(reader, QUOTE);
        start = reader.at;
        uint256 end = reader.end;
        last = start;
        bool good = true;
        assembly {
            for {} lt(last, end) { last := add(last, 1) } {
                let character := byte(0, calldataload(last))
                if eq(character, QUOTE) { break }
                // Space to tilde, without the backslash.
                if or(gt(sub(character, 0x20), 0x5e), eq(character, 0x5c)) {
                    good := 0
                    break
                }
            }
        }
        require(good && last < end, JsonString(start));
        unchecked {
            reader.at = last + 1;
        }
    }

    /// A string of at most 32 characters, left-aligned; longer ones come back as their first 32.
    function word(Reader memory reader) internal pure returns (bytes32 value) {
        (uint256 start, uint256 stop) = text(reader);
        // A longer name is none of those that are known, and none of those has 32 characters.
        uint256 length = stop - start > 31 ? 32 : stop - start;
        assembly {
            value := calldataload(start)
        }
        if (length < 32) value &= ~bytes32(type(uint256).max >> (8 * length));
    }

    /// The name of a member and the colon after it.
    function key(Reader memory reader) internal pure returns (bytes32 name) {
        name = word(reader);
        take(reader, COLON);
    }

    function number(Reader memory reader) internal pure returns (uint256 value) {
        uint256 start = reader.at;
        uint256 character = peek(reader);
        unchecked {
            while (character - 0x30 < 10) {
                value = value * 10 + character - 0x30;
                ++reader.at;
                require(reader.at - start < 11, JsonNumber(start));
                character = peek(reader);
            }
            require(reader.at != start && value >> 32 == 0, JsonNumber(start));
            uint256 first;
            assembly {
                first := byte(0, calldataload(start))
            }
            require(first != 0x30 || reader.at - start == 1, JsonNumber(start));
        }
    }

    /// Exactly this many bytes in hexadecimal digits of either case, left-aligned.
    function hexadecimal(Reader memory reader, uint256 length) internal pure returns (bytes32 value) {
        (uint256 start, uint256 stop) = text(reader);
        require(stop - start == 2 * length, JsonHex(start, length));
        value = _hex(start, length);
    }

    /// As many zero bytes as that.
    function zeros(Reader memory reader, uint256 length) internal pure returns (bool zero) {
        (uint256 start, uint256 stop) = text(reader);
        require(stop - start == 2 * length, JsonHex(start, length));
        zero = true;
        for (uint256 at = start; at < stop && zero; at += 2) {
            zero = _hex(at, 1) == 0;
        }
    }

    /// The byte that two hexadecimal digits of a word make.
    function byteOf(bytes32 value, uint256 index, uint256 position) internal pure returns (uint256) {
        uint256 high = _digit(uint8(value[index]), position);
        return (high << 4) | _digit(uint8(value[index + 1]), position);
    }

    /// Seconds since 1970.
    function time(Reader memory reader) internal pure returns (uint256 seconds_) {
        (uint256 start, uint256 stop) = text(reader);
        bytes32 value;
        assembly {
            value := calldataload(start)
        }
        bool marks = value[4] == "-" && value[7] == "-" && value[10] == "T" && value[13] == ":" && value[16] == ":";
        require(stop - start == 20 && marks && value[19] == "Z", JsonTime(start));
        uint256 year = _pair(value, 0, start) * 100 + _pair(value, 2, start);
        uint256 hour = _pair(value, 11, start);
        uint256 minute = _pair(value, 14, start);
        uint256 second = _pair(value, 17, start);
        require(hour < 24 && minute < 60 && second < 60, JsonTime(start));
        seconds_ = _days(year, _pair(value, 5, start), _pair(value, 8, start), start) * 86_400;
        seconds_ += hour * 3600 + minute * 60 + second;
    }

    /// Reads over one value, whatever it is.
    function skip(Reader memory reader) internal pure {
        _skip(reader, MAX_DEPTH);
    }

    function _skip(Reader memory reader, uint256 depth) private pure {
        require(depth != 0, JsonTooDeep(reader.at));
        uint256 character = peek(reader);
        if (character == QUOTE) {
            text(reader);
        } else if (character == OPEN || character == OPEN_LIST) {
            ++reader.at;
            uint256 closing = character + 2;
            if (peek(reader) == closing) {
                ++reader.at;
                return;
            }
            do {
                if (character == OPEN) key(reader);
                _skip(reader, depth - 1);
            } while (more(reader, closing));
        } else if (character > 0x60 && character < 0x7b) {
            // true, false, null: whatever it says, nobody reads it.
            while (peek(reader) > 0x60 && peek(reader) < 0x7b) ++reader.at;
        } else {
            number(reader);
        }
    }

    function _hex(uint256 start, uint256 length) private pure returns (bytes32 value) {
        uint256 bad;
        assembly {
            for { let i := 0 } lt(i, length) { i := add(i, 1) } {
                let pair := calldataload(add(start, shl(1, i)))
                let high := byte(0, pair)
                let low := byte(1, pair)
                // Digits from "0"; letters of either case from "a" - 10, with the bit of the case set.
                let highDigit := sub(high, 0x30)
                let highLetter := sub(or(high, 0x20), 0x61)
                let lowDigit := sub(low, 0x30)
                let lowLetter := sub(or(low, 0x20), 0x61)
                bad := or(bad, iszero(or(lt(highDigit, 10), lt(highLetter, 6))))
                bad := or(bad, iszero(or(lt(lowDigit, 10), lt(lowLetter, 6))))
                if iszero(lt(highDigit, 10)) { highDigit := add(highLetter, 10) }
                if iszero(lt(lowDigit, 10)) { lowDigit := add(lowLetter, 10) }
                value := or(value, shl(sub(248, shl(3, i)), or(shl(4, highDigit), lowDigit)))
            }
        }
        require(bad == 0, JsonHex(start, length));
    }

    function _digit(uint256 character, uint256 position) private pure returns (uint256) {
        unchecked {
            if (character - 0x30 < 10) return character - 0x30;
            uint256 letter = (character | 0x20) - 0x61;
            require(letter < 6, JsonHex(position, 1));
            return letter + 10;
        }
    }

    /// Two decimal digits.
    function _pair(bytes32 value, uint256 index, uint256 position) private pure returns (uint256) {
        unchecked {
            // A byte below "0" wraps to a large number.
            uint256 tens = uint256(uint8(value[index])) - 0x30;
            uint256 ones = uint256(uint8(value[index + 1])) - 0x30;
            require(tens < 10 && ones < 10, JsonTime(position));
            return tens * 10 + ones;
        }
    }

    /// Days since 1970-01-01 of a date of the Gregorian calendar, which must exist.
    function _days(uint256 year, uint256 month, uint256 day, uint256 position) private pure returns (uint256) {
        require(year > 1969 && month > 0 && month < 13, JsonTime(position));
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        uint256 length = month == 2 ? (leap ? 29 : 28) : 30 + ((month + (month >> 3)) & 1);
        require(day > 0 && day <= length, JsonTime(position));
        // Years count from March, so that the leap day comes last.
        uint256 y = month > 2 ? year : year - 1;
        uint256 shifted = month > 2 ? month - 3 : month + 9;
        return 365 * y + y / 4 - y / 100 + y / 400 + (153 * shifted + 2) / 5 + day - 1 - 719_468;
    }
}
