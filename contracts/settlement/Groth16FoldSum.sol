// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BN254_R, Groth16} from "./Groth16.sol";

/// @title Sums of weights times points
/// @notice One chunk of a fold: packs signed bytes into words and adds each word times its point. False, never a revert, where a
/// point is not on the curve: a claim about such a sum is false too.
library Groth16FoldSum {
    /// @notice A point in memory, with scratch behind it; (0, 0) is infinity.
    function open(uint256 x, uint256 y) internal pure returns (uint256 sum) {
        sum = Groth16.allocate(128);
        assembly ("memory-safe") {
            mstore(sum, x)
            mstore(add(sum, 32), y)
        }
    }

    function read(uint256 sum) internal pure returns (uint256 x, uint256 y) {
        assembly ("memory-safe") {
            x := mload(sum)
            y := mload(add(sum, 32))
        }
    }

    /// @notice sum += sum of word_i point_i.
    function add(uint256 sum, bytes calldata points, bytes calldata weights, uint256 lanes, uint256 laneBits)
        internal
        view
        returns (bool ok)
    {
        ok = true;
        uint256 first = 0;
        for (uint256 i = 0; first < weights.length && ok; ++i) {
            uint256 last = first + lanes < weights.length ? first + lanes : weights.length;
            ok = accumulate(sum, points, i, pack(weights[first:last], laneBits));
            first = last;
        }
    }

    /// @dev sum += scalar * point. The second half of the 128 bytes at `sum` is scratch.
    function accumulate(uint256 sum, bytes calldata points, uint256 index, uint256 scalar) internal view returns (bool) {
        uint256 term = sum + 64;
        assembly ("memory-safe") {
            calldatacopy(term, add(points.offset, mul(index, 64)), 64)
        }
        return Groth16.multiply(term, scalar, term) && Groth16.add(sum, term, sum);
    }

    /// @dev Signed bytes, low lane first, as a field element.
    function pack(bytes calldata weights, uint256 laneBits) internal pure returns (uint256) {
        int256 word = 0;
        assembly ("memory-safe") {
            // At most 252 bits and a sign: cannot overflow.
            for { let lane := 0 } lt(lane, weights.length) { lane := add(lane, 1) } {
                let weight := signextend(0, byte(0, calldataload(add(weights.offset, lane))))
                word := add(word, shl(mul(laneBits, lane), weight))
            }
        }
        return word < 0 ? BN254_R - uint256(-word) : uint256(word);
    }
}
