// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader} from "../types/Batch.sol";

/// One seat's due of one epoch.
struct RewardClaim {
    uint64 epoch;
    uint256 seat; // place in the epoch's list
}

/// Where an epoch's account stands.
struct RewardEpoch {
    uint64 weight; // receipts of all counted headers
    bool closed;
    uint128 pot; // what the pool held when the epoch was closed; a seat's share is taken from it
}

/// @title Pay for checking
/// @notice Full nodes share the pool by participation: a header that became Final counts `header.count` for every member whose
/// LeafCheck its certificate carries. Of the pot of an epoch a member gets
///     pot x (stake / total stake) x (receipts that it checked / receipts of all counted headers).
/// What absent members leave stays in the pool for later epochs: nobody earns by keeping another one's signature out, and one
/// operator earns the same with one seat or with many. Signatures that came after the certificate are added to it by
/// `InferenceSettlement.certify`, with the same risk.
///
/// ORDER. An epoch ends; its headers become Final and are counted (`count`, anyone); `settleTime` later it is closed (`close`,
/// anyone, one after the other) and its seats are paid (`claim`, anyone, to the node's payout).
/// FUNDS. `fund`: the treasury's part of the protocol fee, or anybody's gift. `collect`: the registry's part of every slash.
/// BOUNDS. 64 headers, 64 seats and 64 claims a call. No admin; nothing is pausable.
interface IFullNodeRewards {
    event PoolFunded(address indexed from, uint256 amount);
    event HeaderCounted(bytes32 indexed headerHash, uint64 indexed epoch, uint64 signers, uint32 receipts);
    event EpochClosed(uint64 indexed epoch, uint256 pot, uint256 payable_);
    event RewardPaid(bytes32 indexed nodeId, uint64 indexed epoch, address indexed payout, uint256 amount);

    error RewardsBadParams(string field);
    error RewardsTooMany(uint256 given, uint256 maximum);
    error RewardsTokenAmount(uint256 expected, uint256 received);
    error RewardsClosed(uint64 epoch);
    error RewardsNotNext(uint64 epoch, uint64 expected);
    error RewardsNotYet(uint256 now_, uint256 readyAt);
    error RewardsNotClosed(uint64 epoch);
    error RewardsNoSeat(uint64 epoch, uint256 seat);

    /// @notice Adds to the pool (ERC-20 approval needed).
    function fund(uint256 amount) external;

    /// @notice Takes what slashes have left for the pool at the registry.
    function collect() external returns (uint256 amount);

    /// @notice Counts headers that are Final by a certificate of `epoch`. Others, and those that were counted before, are passed over.
    function count(uint64 epoch, BatchHeader[] calldata headers) external returns (uint256 counted);

    /// @notice Fixes the epoch's pot. Epochs are closed one after the other.
    function close(uint64 epoch) external;

    /// @notice Pays seats of closed epochs, each once; a seat without participation is passed over.
    function claim(RewardClaim[] calldata claims) external returns (uint256 paid);

    /// @return What a `claim` of the seat would pay now.
    function due(uint64 epoch, uint256 seat) external view returns (uint256);

    /// @return Receipts that count for the seat and are not paid yet.
    function weightOf(uint64 epoch, uint256 seat) external view returns (uint64);
    function epochOf(uint64 epoch) external view returns (RewardEpoch memory);
    function isCounted(bytes32 headerHash) external view returns (bool);

    /// @return epoch The epoch that is to be closed next.
    /// @return readyAt From when; 0: it has not ended.
    function nextToClose() external view returns (uint64 epoch, uint256 readyAt);

    /// @return What is not yet part of a pot.
    function pool() external view returns (uint256);

    /// @return Seconds between an epoch's end and its closing.
    function settleTime() external view returns (uint64);
}
