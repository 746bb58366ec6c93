// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ISha384} from "./ISha384.sol";

/// @title SHA-384 of several messages at once
/// @notice Stateless. Two blocks of different messages cost about 28,500 gas together, where one alone costs 21,500.
interface ISha384Pair {
    /// @notice The kernel for one message, for what is left of the longest.
    function SHA384() external view returns (ISha384);

    /// @param longest Gains from being at least as long as all others together; right in any case.
    /// @return joined 48 bytes each: the digest of `longest`, then those of `others` in their order.
    function digests(bytes calldata longest, bytes[] calldata others) external view returns (bytes memory joined);
}
