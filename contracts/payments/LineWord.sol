// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {LINE_MORE, LINE_REGISTERED, Line} from "../interfaces/IPaymentEscrow.sol";

/// The slot of a line, packed by hand: the compiler reads and writes packed structs field by field, and this is most of a row's price.
/// settledUpTo 96 | held 88 | markedAt 32 | markedAlive 32 | flags 8, from the low end. See Line.
type LineWord is uint256;

using LineLib for LineWord global;

library LineLib {
    uint256 private constant SETTLED = type(uint96).max;
    uint256 private constant HELD = type(uint88).max;

    function pack(uint256 settled, uint256 held_, uint256 stamp_, uint256 flags_) internal pure returns (LineWord) {
        return LineWord.wrap(settled | held_ << 96 | stamp_ | flags_ << 248);
    }

    /// @return Both times of a mark, in their place.
    function stamp(uint256 at, uint256 alive) internal pure returns (uint256) {
        return (at & type(uint32).max) << 184 | (alive & type(uint32).max) << 216;
    }

    /// @return Whether nothing but a new mark at `claimed` is to do: the line has no mark, no flag and less settled.
    function opens(LineWord line, uint256 claimed) internal pure returns (bool) {
        uint256 word = LineWord.unwrap(line);
        uint256 settled = word & SETTLED;
        return word >> 96 == uint256(LINE_REGISTERED) << 152 && settled < claimed && claimed <= settled + HELD;
    }

    /// @notice Where `opens` holds.
    function open(LineWord line, uint256 claimed, uint256 stamp_) internal pure returns (LineWord) {
        unchecked {
            return LineWord.wrap(LineWord.unwrap(line) | (claimed - settledUpTo(line)) << 96 | stamp_);
        }
    }

    function settledUpTo(LineWord line) internal pure returns (uint256) {
        return LineWord.unwrap(line) & SETTLED;
    }

    function held(LineWord line) internal pure returns (uint256) {
        return LineWord.unwrap(line) >> 96 & HELD;
    }

    /// @return End of what is dated; the watermark when nothing is.
    function mark(LineWord line) internal pure returns (uint256) {
        unchecked {
            return settledUpTo(line) + held(line); // 97 bits
        }
    }

    function markedAt(LineWord line) internal pure returns (uint256) {
        return uint32(LineWord.unwrap(line) >> 184);
    }

    function markedAlive(LineWord line) internal pure returns (uint256) {
        return uint32(LineWord.unwrap(line) >> 216);
    }

    function flags(LineWord line) internal pure returns (uint256) {
        return LineWord.unwrap(line) >> 248;
    }

    function has(LineWord line, uint8 flag) internal pure returns (bool) {
        return flags(line) & flag != 0;
    }

    /// @notice The watermark rises below the mark, which stays.
    function settle(LineWord line, uint256 to) internal pure returns (LineWord) {
        unchecked {
            return LineWord.wrap((LineWord.unwrap(line) >> 184 << 184) | (mark(line) - to) << 96 | to);
        }
    }

    function withMore(LineWord line) internal pure returns (LineWord) {
        return LineWord.wrap(LineWord.unwrap(line) | uint256(LINE_MORE) << 248);
    }

    function toLine(LineWord line) internal pure returns (Line memory) {
        return Line({
            settledUpTo: uint96(settledUpTo(line)),
            held: uint88(held(line)),
            markedAt: uint32(markedAt(line)),
            markedAlive: uint32(markedAlive(line)),
            flags: uint8(flags(line))
        });
    }
}
