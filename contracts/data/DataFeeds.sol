// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Answer, Candle, IDataFeeds} from "../interfaces/IDataFeeds.sol";
import {IKeyLedger, KeyUse} from "../interfaces/IKeyLedger.sol";
import {INodeRegistry, Node} from "../interfaces/INodeRegistry.sol";
import {ISignatureChecker} from "../interfaces/ISignatureChecker.sol";
import {NodeSignatures} from "../libraries/NodeSignatures.sol";
import {Paging} from "../libraries/Paging.sol";
import {ProtocolDomain} from "../libraries/ProtocolDomain.sol";
import {Role} from "../types/Enums.sol";
import {FeedDefinition, FeedLib, Observation} from "../types/Feed.sol";
import {SigningKey} from "../types/SigningKey.sol";

/// @title Data feeds
contract DataFeeds is IDataFeeds {
    struct Seen {
        int256 value;
        uint64 observedAt;
    }

    struct Round {
        uint8 committed;
        bool closed;
        Seen[] seen;
        mapping(address operator => bytes32 commitment) commitments;
        mapping(address operator => bool) observed;
    }

    uint64 private constant CLOCK_SKEW = 30;
    uint256 private constant MAX_OPERATORS = 32;
    uint256 private constant MAX_CANDLES = 200;
    uint256 private constant MAX_CANDLE_ROUNDS = 64;
    uint256 private constant BPS = 10_000;

    INodeRegistry public immutable REGISTRY;
    ISignatureChecker public immutable SIGNATURES;
    IKeyLedger private immutable KEYS;
    uint64 private immutable GRACE; // in which what an ended key signed is still taken
    bytes32 private immutable DOMAIN;

    bytes32[] private _feeds;
    mapping(bytes32 feedId => FeedDefinition) private _definitions;
    mapping(bytes32 feedId => mapping(uint64 round => Round)) private _rounds;
    mapping(bytes32 feedId => mapping(uint64 round => Answer)) private _answers;
    mapping(bytes32 feedId => uint64 round) private _latest;

    constructor(INodeRegistry registry, ISignatureChecker signatures) {
        require(address(registry) != address(0), DataFeedsBadDefinition("registry"));
        (REGISTRY, SIGNATURES) = (registry, signatures);
        (KEYS, GRACE) = (registry.POLICY(), registry.params().postGrace);
        DOMAIN = ProtocolDomain.separator(block.chainid, address(this));
    }

    /// @inheritdoc IDataFeeds
    function createFeed(FeedDefinition calldata definition_) external override returns (bytes32 feedId) {
        require(bytes(definition_.name).length != 0, DataFeedsBadDefinition("name"));
        require(definition_.sources.length != 0 && definition_.sources.length <= 16, DataFeedsBadDefinition("sources"));
        require(definition_.tlsPins.length == definition_.sources.length, DataFeedsBadDefinition("tlsPins"));
        require(definition_.period > 1, DataFeedsBadDefinition("period"));
        require(definition_.decimals <= 36, DataFeedsBadDefinition("decimals"));
        require(definition_.minOperators != 0 && definition_.minOperators <= MAX_OPERATORS, DataFeedsBadDefinition("minOperators"));
        require(definition_.maxAge >= definition_.period, DataFeedsBadDefinition("maxAge"));
        feedId = FeedLib.feedId(definition_);
        require(_definitions[feedId].period == 0, DataFeedsExists(feedId));
        _definitions[feedId] = definition_;
        _feeds.push(feedId);
        emit FeedCreated(feedId, msg.sender, definition_);
    }

    /// @inheritdoc IDataFeeds
    function commit(bytes32 feedId, uint64 round, bytes32 nodeId, bytes32 commitment) external override {
        FeedDefinition storage feed = _known(feedId);
        uint256 start = uint256(round) * feed.period;
        bool open = block.timestamp >= start && block.timestamp < start + feed.period / 2;
        require(open, DataFeedsPhase(feedId, round, block.timestamp));
        Node memory node = REGISTRY.node(nodeId);
        require(node.role == Role.Data && REGISTRY.isActive(nodeId), DataFeedsNotDataNode(nodeId));
        bool own = msg.sender == node.operator || msg.sender == node.paymentAuthorizer;
        require(own, DataFeedsNotOperator(nodeId, msg.sender));
        require(node.policyId == feed.policyId, DataFeedsWrongPolicy(nodeId, node.policyId, feed.policyId));
        require(commitment != 0, DataFeedsBadObservation("commitment"));

        Round storage entry = _rounds[feedId][round];
        require(entry.commitments[node.operator] == 0, DataFeedsAlreadyObserved(feedId, round, node.operator));
        require(entry.committed < MAX_OPERATORS, DataFeedsRoundFull(feedId, round));
        entry.commitments[node.operator] = commitment;
        ++entry.committed;
        emit ObservationCommitted(feedId, round, nodeId, commitment);
    }

    /// @inheritdoc IDataFeeds
    function reveal(Observation calldata observation, bytes calldata signature) external override {
        FeedDefinition storage feed = _known(observation.feedId);
        bool alone = feed.minOperators == 1;
        _checkTime(feed, observation, alone);
        bytes32 digest = FeedLib.digest(observation, DOMAIN);
        _checkSignature(feed, observation, digest, signature);

        address operator = REGISTRY.node(observation.nodeId).operator;
        Round storage entry = _rounds[observation.feedId][observation.round];
        require(!entry.closed, DataFeedsRoundClosed(observation.feedId, observation.round));
        require(!entry.observed[operator], DataFeedsAlreadyObserved(observation.feedId, observation.round, operator));
        bytes32 commitment = entry.commitments[operator];
        if (!alone) {
            require(commitment != 0, DataFeedsNoCommitment(observation.feedId, observation.round, observation.nodeId));
            require(commitment == digest, DataFeedsCommitmentMismatch(digest, commitment));
        }
        entry.observed[operator] = true;
        entry.seen.push(Seen(observation.value, observation.observedAt));
        emit ObservationRevealed(
            observation.feedId, observation.round, observation.nodeId, observation.value, observation.observedAt
        );
        if (alone) _close(feed, observation.feedId, observation.round, entry);
    }

    /// @inheritdoc IDataFeeds
    function close(bytes32 feedId, uint64 round) external override {
        FeedDefinition storage feed = _known(feedId);
        Round storage entry = _rounds[feedId][round];
        require(!entry.closed, DataFeedsRoundClosed(feedId, round));
        uint256 start = uint256(round) * feed.period;
        bool complete = entry.committed != 0 && entry.seen.length == entry.committed && block.timestamp >= start + feed.period / 2;
        require(complete || block.timestamp >= start + 2 * uint256(feed.period), DataFeedsPhase(feedId, round, block.timestamp));
        _close(feed, feedId, round, entry);
    }

    /// @inheritdoc IDataFeeds
    function latest(bytes32 feedId) external view override returns (Answer memory) {
        return readFresh(feedId, _known(feedId).maxAge);
    }

    /// @inheritdoc IDataFeeds
    function peek(bytes32 feedId) external view override returns (Answer memory) {
        return _answers[feedId][_latest[feedId]];
    }

    /// @inheritdoc IDataFeeds
    function answerAt(bytes32 feedId, uint64 round) external view override returns (Answer memory) {
        return _answers[feedId][round];
    }

    /// @inheritdoc IDataFeeds
    function candles(bytes32 feedId, uint64 start, uint32 duration, uint256 count) external view override returns (Candle[] memory list) {
        uint32 period = _known(feedId).period;
        require(count <= MAX_CANDLES, DataFeedsLimit(count, MAX_CANDLES));
        bool fits = duration != 0 && duration % period == 0 && duration / period <= MAX_CANDLE_ROUNDS && start % period == 0;
        require(fits, DataFeedsBadDefinition("duration"));
        list = new Candle[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = _candle(feedId, uint64(start + i * duration), period, duration / period);
        }
    }

    /// @inheritdoc IDataFeeds
    function definition(bytes32 feedId) external view override returns (FeedDefinition memory) {
        return _known(feedId);
    }

    /// @inheritdoc IDataFeeds
    function feedIdOf(FeedDefinition calldata definition_) external pure override returns (bytes32) {
        return FeedLib.feedId(definition_);
    }

    /// @inheritdoc IDataFeeds
    function observationDigest(Observation calldata observation) external view override returns (bytes32) {
        return FeedLib.digest(observation, DOMAIN);
    }

    /// @inheritdoc IDataFeeds
    function currentRound(bytes32 feedId) external view override returns (uint64) {
        return uint64(block.timestamp / _known(feedId).period);
    }

    /// @inheritdoc IDataFeeds
    function feeds(uint256 cursor, uint256 limit) external view override returns (bytes32[] memory feedIds, uint256 next) {
        require(limit <= Paging.MAX, DataFeedsLimit(limit, Paging.MAX));
        return Paging.page(_feeds, cursor, limit);
    }

    /// @inheritdoc IDataFeeds
    function domainSeparator() external view override returns (bytes32) {
        return DOMAIN;
    }

    /// @inheritdoc IDataFeeds
    function readFresh(bytes32 feedId, uint256 maxAge) public view override returns (Answer memory answer) {
        answer = _answers[feedId][_latest[feedId]];
        bool fresh = answer.operators != 0 && answer.updatedAt + maxAge >= block.timestamp;
        require(fresh, DataFeedsStale(feedId, answer.updatedAt, block.timestamp, maxAge));
    }

    /// The median of what lies near the median; as old as its oldest part.
    function _close(FeedDefinition storage feed, bytes32 feedId, uint64 round, Round storage entry) private {
        Seen[] memory kept = _sorted(entry.seen);
        uint256 needed = feed.minOperators;
        require(kept.length >= needed, DataFeedsTooFewOperators(feedId, round, kept.length, needed));
        kept = _near(kept, _median(kept), feed.maxDeviationBps);
        require(kept.length >= needed, DataFeedsTooFewOperators(feedId, round, kept.length, needed));

        uint64 oldest = type(uint64).max;
        for (uint256 i = 0; i < kept.length; ++i) {
            if (kept[i].observedAt < oldest) oldest = kept[i].observedAt;
        }
        entry.closed = true;
        Answer memory answer = Answer(_median(kept), round, oldest, uint8(kept.length));
        _answers[feedId][round] = answer;
        if (round > _latest[feedId]) _latest[feedId] = round;
        emit AnswerUpdated(feedId, round, answer.value, oldest, answer.operators);
    }

    function _checkTime(FeedDefinition storage feed, Observation calldata observation, bool alone) private view {
        uint256 start = uint256(observation.round) * feed.period;
        uint256 from = alone ? start : start + feed.period / 2;
        bool open = block.timestamp + (alone ? CLOCK_SKEW : 0) >= from && block.timestamp < start + 2 * uint256(feed.period);
        require(open, DataFeedsPhase(observation.feedId, observation.round, block.timestamp));
        require(observation.observedAt / feed.period == observation.round, DataFeedsBadObservation("round"));
        require(observation.observedAt <= block.timestamp + CLOCK_SKEW, DataFeedsBadObservation("observedAt"));
    }

    function _checkSignature(FeedDefinition storage feed, Observation calldata observation, bytes32 digest, bytes calldata signature)
        private
        view
    {
        uint64 at = observation.observedAt;
        (SigningKey key, bytes16 policyPrefix) =
            KEYS.signingKey(KeyUse(address(REGISTRY), observation.nodeId, observation.keyId, Role.Data, at, at, uint64(block.timestamp) - GRACE));
        if (policyPrefix != bytes16(feed.policyId)) {
            revert DataFeedsWrongPolicy(observation.nodeId, REGISTRY.policyOf(observation.nodeId), feed.policyId);
        }
        bool signed = NodeSignatures.verify(SIGNATURES, key, digest, signature);
        require(signed, DataFeedsBadSignature(observation.keyId));
    }

    function _candle(bytes32 feedId, uint64 start, uint32 period, uint32 rounds) private view returns (Candle memory candle) {
        candle.start = start;
        uint64 first = start / period;
        for (uint64 round = first; round < first + rounds; ++round) {
            Answer storage answer = _answers[feedId][round];
            if (answer.operators == 0) continue;
            int256 value = answer.value;
            if (candle.rounds == 0) (candle.open, candle.high, candle.low) = (value, value, value);
            if (value > candle.high) candle.high = value;
            if (value < candle.low) candle.low = value;
            candle.close = value;
            ++candle.rounds;
        }
    }

    function _known(bytes32 feedId) private view returns (FeedDefinition storage feed) {
        feed = _definitions[feedId];
        require(feed.period != 0, DataFeedsUnknown(feedId));
    }

    /// Ascending by value.
    function _sorted(Seen[] memory list) private pure returns (Seen[] memory) {
        for (uint256 i = 1; i < list.length; ++i) {
            Seen memory item = list[i];
            uint256 place = i;
            for (; place > 0 && list[place - 1].value > item.value; --place) list[place] = list[place - 1];
            list[place] = item;
        }
        return list;
    }

    /// Lower median: always a value that somebody saw.
    function _median(Seen[] memory sorted) private pure returns (int256) {
        return sorted[(sorted.length - 1) / 2].value;
    }

    function _near(Seen[] memory list, int256 median, uint256 maxDeviationBps) private pure returns (Seen[] memory) {
        if (maxDeviationBps == 0) return list;
        uint256 limit = _magnitude(median) / BPS * maxDeviationBps + (_magnitude(median) % BPS) * maxDeviationBps / BPS;
        uint256 kept = 0;
        for (uint256 i = 0; i < list.length; ++i) {
            uint256 distance;
            unchecked {
                // Distance of two's complement numbers, whatever their signs.
                distance = list[i].value >= median ? uint256(list[i].value) - uint256(median) : uint256(median) - uint256(list[i].value);
            }
            if (distance <= limit) list[kept++] = list[i];
        }
        assembly ("memory-safe") {
            mstore(list, kept)
        }
        return list;
    }

    function _magnitude(int256 value) private pure returns (uint256) {
        unchecked {
            return value < 0 ? uint256(0) - uint256(value) : uint256(value);
        }
    }
}
