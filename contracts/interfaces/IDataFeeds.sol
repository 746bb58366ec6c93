// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {FeedDefinition, Observation} from "../types/Feed.sol";

/// A closed round's answer.
struct Answer {
    int256 value; // median of the observations that counted
    uint64 round;
    uint64 updatedAt; // seconds; the oldest observation of the quorum
    uint8 operators; // observations that counted
}

struct Candle {
    uint64 start; // seconds
    int256 open;
    int256 high;
    int256 low;
    int256 close;
    uint32 rounds; // answers inside; 0 marks a gap, and then there are no prices
}

/// @title Data feeds
/// @notice Outside facts, observed inside enclaves. A feed's id is the hash of its definition. Time is cut into rounds of
/// `period` seconds. In the first half of a round operators commit to a signed observation, in the second half and the round
/// after they reveal it: nobody copies. One observation counts per *operator*, whatever the number of its nodes. The answer is
/// the median; it is as old as the oldest observation in it. A feed of one operator has nobody to copy from: it reveals without commitment.
interface IDataFeeds {
    event FeedCreated(bytes32 indexed feedId, address indexed creator, FeedDefinition definition);
    event ObservationCommitted(bytes32 indexed feedId, uint64 indexed round, bytes32 indexed nodeId, bytes32 commitment);
    event ObservationRevealed(bytes32 indexed feedId, uint64 indexed round, bytes32 indexed nodeId, int256 value, uint64 observedAt);
    event AnswerUpdated(bytes32 indexed feedId, uint64 indexed round, int256 value, uint64 updatedAt, uint8 operators);

    error DataFeedsExists(bytes32 feedId);
    error DataFeedsUnknown(bytes32 feedId);
    error DataFeedsBadDefinition(string field);
    error DataFeedsNotDataNode(bytes32 nodeId);
    error DataFeedsNotOperator(bytes32 nodeId, address caller);
    error DataFeedsWrongPolicy(bytes32 nodeId, bytes32 policyId, bytes32 expected);
    error DataFeedsPhase(bytes32 feedId, uint64 round, uint256 now_);
    error DataFeedsAlreadyObserved(bytes32 feedId, uint64 round, address operator);
    error DataFeedsNoCommitment(bytes32 feedId, uint64 round, bytes32 nodeId);
    error DataFeedsCommitmentMismatch(bytes32 given, bytes32 committed);
    error DataFeedsBadObservation(string field);
    error DataFeedsBadSignature(bytes32 keyId);
    error DataFeedsTooFewOperators(bytes32 feedId, uint64 round, uint256 operators, uint256 minimum);
    error DataFeedsRoundClosed(bytes32 feedId, uint64 round);
    error DataFeedsRoundFull(bytes32 feedId, uint64 round);
    error DataFeedsStale(bytes32 feedId, uint64 updatedAt, uint256 now_, uint256 maxAge);
    error DataFeedsLimit(uint256 limit, uint256 maximum);

    function createFeed(FeedDefinition calldata definition) external returns (bytes32 feedId);

    /// @notice First half of a round: the node's operator or authorizer commits to an observation's digest.
    function commit(bytes32 feedId, uint64 round, bytes32 nodeId, bytes32 commitment) external;

    /// @notice From the second half of its round to the end of the next: opens the observation. Anyone may relay. With
    /// `minOperators` 1 there needs to be no commitment, and the answer is updated at once.
    function reveal(Observation calldata observation, bytes calldata signature) external;

    /// @notice Computes a round's answer: anyone, when all who committed have revealed, or the revealing time is over.
    function close(bytes32 feedId, uint64 round) external;

    /// @return answer The newest answer; reverts `DataFeedsStale` if older than the definition's `maxAge`.
    function latest(bytes32 feedId) external view returns (Answer memory answer);

    /// @return answer The newest answer; reverts `DataFeedsStale` if older than `maxAge` seconds.
    function readFresh(bytes32 feedId, uint256 maxAge) external view returns (Answer memory answer);

    /// @return answer Whatever the newest answer is, zero values if there is none.
    function peek(bytes32 feedId) external view returns (Answer memory answer);

    function answerAt(bytes32 feedId, uint64 round) external view returns (Answer memory answer);

    /// @notice Candles from `start`, `count` (at most 200) of `duration` seconds (a multiple of the period, at most 64 rounds each).
    function candles(bytes32 feedId, uint64 start, uint32 duration, uint256 count) external view returns (Candle[] memory);

    function definition(bytes32 feedId) external view returns (FeedDefinition memory);
    function feedIdOf(FeedDefinition calldata definition_) external pure returns (bytes32);
    function observationDigest(Observation calldata observation) external view returns (bytes32);
    function currentRound(bytes32 feedId) external view returns (uint64);
    function feeds(uint256 cursor, uint256 limit) external view returns (bytes32[] memory feedIds, uint256 next);
    function domainSeparator() external view returns (bytes32);
}
