// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title SHA-384 (FIPS 180-4)
/// @notice Stateless; about 21,500 gas a block of 128 bytes. The message ends at least 17 bytes before a block does.
interface ISha384 {
    /// @param message At most 2^61 - 1 bytes, which no transaction can carry.
    /// @return high Bytes 0..31 of the digest.
    /// @return low Bytes 32..47.
    function digest(bytes calldata message) external pure returns (bytes32 high, bytes16 low);

    /// @notice Goes on where another implementation of the compression function stopped.
    /// @param state The eight chaining words; of each the lowest 64 bits count.
    /// @param tail The rest of the message, padded here.
    /// @param absorbed Bytes taken into `state` before, a multiple of 128.
    function resume(uint256[8] calldata state, bytes calldata tail, uint256 absorbed)
        external
        pure
        returns (bytes32 high, bytes16 low);
}
