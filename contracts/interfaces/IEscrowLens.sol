// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader, ChannelStretch} from "../types/Batch.sol";
import {Split, StretchStatus} from "./IPaymentEscrow.sol";

/// Where one channel's money stands.
struct ChannelMoney {
    uint256 totalClaimed; // by the channel contract
    uint256 settledUpTo; // paid to node or payer
    uint256 held; // totalClaimed - settledUpTo: claimed, undecided
    uint256 mark; // held money up to here is dated; 0 when no mark is open
    uint256 wait; // seconds of inbox-alive time until what lies below the mark is the payer's
}

/// @title What calls of an escrow would do
/// @notice Previews agree with execution, item by item, as long as the token is sound (a token that arrives short shows itself only
/// when it is swept).
interface IEscrowLens {
    /// @notice What `release` of these stretches would do now, in this order.
    function previewRelease(address escrow, BatchHeader calldata header, ChannelStretch[] calldata stretches)
        external
        view
        returns (StretchStatus[] memory statuses, Split[] memory splits);

    function previewAck(address escrow, bytes32 paymentId, uint128 cumulative) external view returns (Split memory);

    /// @return amount What `refundExpired` would pay now; 0 when it would revert.
    /// @return wait Seconds of inbox-alive time until the open mark is due; 0 when due or when there is no mark.
    function previewRefund(address escrow, bytes32 paymentId) external view returns (uint256 amount, uint256 wait);

    function moneyOf(address escrow, bytes32 paymentId) external view returns (ChannelMoney memory);
}
