// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Finding} from "./IHealthLens.sol";

/// @title Health of an escrow on the payment chain
/// @notice The numbered invariants of docs/INVARIANTS.md that a view can check, over the channels and beneficiaries that the caller
/// names (events list them all). Nothing here reverts on an unhealthy escrow.
interface IEscrowHealth {
    /// @notice E1: the escrow's and the channel contract's tokens cover the credits and what is claimed and undecided. Exact when all
    /// channels and beneficiaries of the token are given, and the escrow's `sharesOf` all terms is added to what is owed.
    /// @return Left is what is owed, right what is there.
    function backing(address escrow, address token, bytes32[] calldata paymentIds, address[] calldata beneficiaries)
        external
        view
        returns (Finding memory);

    /// @notice E2, for each channel: settledUpTo and its open mark are at most totalClaimed. E6: the channel's terms are the registered
    /// ones, and its fee, royalty stay within a gross charge (E9).
    function channels(address escrow, bytes32[] calldata paymentIds) external view returns (Finding[] memory);

    /// @notice E5: releases of the inbox's current epoch stay below its cap. inbox-alive: it has heard a certificate lately, so that
    /// the refund clock runs (a notice, not an invariant).
    function releases(address escrow, address token) external view returns (Finding[] memory);
}
