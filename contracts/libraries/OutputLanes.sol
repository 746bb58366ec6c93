// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What a proved output word says
/// @notice An output word is at most 248 bits of lanes, one for each value; where a lane lies, how wide it is and what its lowest value
/// is stands in the model package's public.json (`packing.outputs`), which the version's programHash covers. value x 2^exponent is the
/// model's output. The lowest 8 bits of a statement's first output word are the status.
library OutputLanes {
    /// An element left the domain of a root, a logarithm, a power or a quotient: it is 0 and means nothing.
    uint8 internal constant DOMAIN = 1;
    /// A value was cut off at the range that the circuit allows.
    uint8 internal constant SATURATED = 2;
    /// Another class comes within the proved error of the chosen one.
    uint8 internal constant UNSURE = 4;
    uint256 private constant WORD_BITS = 248;

    /// Lanes are within 248 bits.
    error OutputLanesRange(uint256 offset, uint256 width);

    /// @param word A statement's first output word.
    /// @return Sum of the flags above; 0 is an answer without reserve.
    function status(uint256 word) internal pure returns (uint8) {
        return uint8(word);
    }

    /// @param offset Of the lane's lowest bit. @param width In bits. @param lowest What a lane of zeros stands for.
    function value(uint256 word, uint256 offset, uint256 width, int256 lowest) internal pure returns (int256) {
        bool inside = width != 0 && width <= WORD_BITS && offset <= WORD_BITS - width;
        require(inside, OutputLanesRange(offset, width));
        // Below 2^248: no cast can change a sign.
        return int256((word >> offset) & ((1 << width) - 1)) + lowest;
    }
}
