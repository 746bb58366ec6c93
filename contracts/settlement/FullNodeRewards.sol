// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {CommitteeEpoch, ICommittee} from "../interfaces/ICommittee.sol";
import {IFullNodeRewards, RewardClaim, RewardEpoch} from "../interfaces/IFullNodeRewards.sol";
import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {BatchHeader, BatchLib} from "../types/Batch.sol";
import {CommitteeLib, CommitteeMember} from "../types/Committee.sol";
import {BatchStatus} from "../types/Enums.sol";
import {Batch, SettlementParams} from "../types/Settlement.sol";

/// @title Pay for checking
contract FullNodeRewards is IFullNodeRewards {
    using SafeERC20 for IERC20;

    uint256 private constant MAX_HEADERS = 64;
    uint256 private constant MAX_CLAIMS = 64;
    /// Weights of four seats stand in one slot.
    uint256 private constant SEATS_PER_WORD = 4;

    INodeRegistry public immutable REGISTRY;
    ICommittee public immutable COMMITTEE;
    IInferenceSettlement public immutable SETTLEMENT;
    IERC20 public immutable TOKEN;
    bytes32 private immutable DOMAIN;

    uint64 public immutable override settleTime;
    uint64 private _closed; // the last epoch that is closed
    uint256 public override pool;
    mapping(uint64 epoch => RewardEpoch) private _epochs;
    mapping(uint64 epoch => mapping(uint256 word => uint256)) private _weights;
    mapping(bytes32 headerHash => bool) private _counted;

    constructor(IERC20 token, INodeRegistry registry, ICommittee committee, IInferenceSettlement settlement, uint64 settleTime_) {
        require(address(token) != address(0), RewardsBadParams("token"));
        require(address(registry) != address(0) && registry.authorities().pool == address(this), RewardsBadParams("registry"));
        // A header that was certified in the last second of the grace must be able to become Final, after a demand too.
        SettlementParams memory times = settlement.params();
        uint256 least = uint256(committee.params().grace) + times.window + 2 * uint256(times.responseTime);
        require(settleTime_ >= least, RewardsBadParams("settleTime"));
        (TOKEN, REGISTRY, COMMITTEE, SETTLEMENT) = (token, registry, committee, settlement);
        DOMAIN = settlement.domainSeparator();
        settleTime = settleTime_;
    }

    /// @inheritdoc IFullNodeRewards
    function fund(uint256 amount) external override {
        uint256 before = TOKEN.balanceOf(address(this));
        pool += amount;
        emit PoolFunded(msg.sender, amount);
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = TOKEN.balanceOf(address(this)) - before;
        require(received == amount, RewardsTokenAmount(amount, received));
    }

    /// @inheritdoc IFullNodeRewards
    function collect() external override returns (uint256 amount) {
        amount = REGISTRY.reward(address(this));
        pool += amount;
        emit PoolFunded(address(REGISTRY), amount);
        REGISTRY.withdrawReward();
    }

    /// @inheritdoc IFullNodeRewards
    function count(uint64 epoch, BatchHeader[] calldata headers) external override returns (uint256 counted) {
        require(headers.length <= MAX_HEADERS, RewardsTooMany(headers.length, MAX_HEADERS));
        require(epoch > _closed, RewardsClosed(epoch));
        uint64[] memory added = new uint64[](CommitteeLib.MAX_MEMBERS);
        uint64 total = 0;
        for (uint256 i = 0; i < headers.length; ++i) {
            bytes32 hash = BatchLib.digest(headers[i], DOMAIN);
            Batch memory entry = SETTLEMENT.batch(headers[i]);
            bool counts = entry.status == BatchStatus.Final && entry.signers != 0 && entry.committeeEpoch == epoch && !_counted[hash];
            if (!counts) continue;
            _counted[hash] = true;
            ++counted;
            total += headers[i].count;
            for (uint256 seat = 0; seat < CommitteeLib.MAX_MEMBERS; ++seat) {
                if ((entry.signers >> seat) & 1 == 1) added[seat] += headers[i].count;
            }
            emit HeaderCounted(hash, epoch, entry.signers, headers[i].count);
        }
        if (counted == 0) return 0;
        _epochs[epoch].weight += total;
        for (uint256 word = 0; word < CommitteeLib.MAX_MEMBERS / SEATS_PER_WORD; ++word) {
            uint256 packed = 0;
            for (uint256 i = 0; i < SEATS_PER_WORD; ++i) packed |= uint256(added[word * SEATS_PER_WORD + i]) << (64 * i);
            // No part overflows: a part is at most the epoch's weight, which is checked above.
            if (packed != 0) _weights[epoch][word] += packed;
        }
    }

    /// @inheritdoc IFullNodeRewards
    function close(uint64 epoch) external override {
        (uint64 expected, uint256 readyAt) = nextToClose();
        require(epoch == expected, RewardsNotNext(epoch, expected));
        require(readyAt != 0 && block.timestamp >= readyAt, RewardsNotYet(block.timestamp, readyAt));
        _closed = epoch;
        RewardEpoch storage account = _epochs[epoch];
        (account.closed, account.pot) = (true, uint128(pool));

        uint256 owed = 0;
        if (account.weight != 0) {
            CommitteeMember[] memory members = COMMITTEE.members(epoch);
            uint256 totalStake = COMMITTEE.epochInfo(epoch).totalStake;
            for (uint256 seat = 0; seat < members.length; ++seat) {
                owed += _share(account, members[seat].stake, totalStake, weightOf(epoch, seat));
            }
        }
        emit EpochClosed(epoch, pool, owed);
        // Shares are rounded down one by one, here as at the claim: what is paid is never more than what is set aside.
        pool -= owed;
    }

    /// @inheritdoc IFullNodeRewards
    function claim(RewardClaim[] calldata claims) external override returns (uint256 paid) {
        require(claims.length <= MAX_CLAIMS, RewardsTooMany(claims.length, MAX_CLAIMS));
        for (uint256 i = 0; i < claims.length; ++i) {
            (uint64 epoch, uint256 seat) = (claims[i].epoch, claims[i].seat);
            uint256 amount = due(epoch, seat);
            require(_epochs[epoch].closed, RewardsNotClosed(epoch));
            if (amount == 0) continue;
            _weights[epoch][seat / SEATS_PER_WORD] &= ~(uint256(type(uint64).max) << (64 * (seat % SEATS_PER_WORD)));
            bytes32 nodeId = COMMITTEE.memberNodes(epoch)[seat];
            address payout = REGISTRY.node(nodeId).payout;
            emit RewardPaid(nodeId, epoch, payout, amount);
            paid += amount;
            TOKEN.safeTransfer(payout, amount);
        }
    }

    /// @inheritdoc IFullNodeRewards
    function epochOf(uint64 epoch) external view override returns (RewardEpoch memory) {
        return _epochs[epoch];
    }

    /// @inheritdoc IFullNodeRewards
    function isCounted(bytes32 headerHash) external view override returns (bool) {
        return _counted[headerHash];
    }

    /// @inheritdoc IFullNodeRewards
    function due(uint64 epoch, uint256 seat) public view override returns (uint256) {
        CommitteeMember[] memory members = COMMITTEE.members(epoch);
        require(seat < members.length, RewardsNoSeat(epoch, seat));
        RewardEpoch storage account = _epochs[epoch];
        if (!account.closed || account.weight == 0) return 0;
        return _share(account, members[seat].stake, COMMITTEE.epochInfo(epoch).totalStake, weightOf(epoch, seat));
    }

    /// @inheritdoc IFullNodeRewards
    function weightOf(uint64 epoch, uint256 seat) public view override returns (uint64) {
        return uint64(_weights[epoch][seat / SEATS_PER_WORD] >> (64 * (seat % SEATS_PER_WORD)));
    }

    /// @inheritdoc IFullNodeRewards
    function nextToClose() public view override returns (uint64 epoch, uint256 readyAt) {
        epoch = _closed + 1;
        CommitteeEpoch memory info = COMMITTEE.epochInfo(epoch);
        readyAt = info.end == 0 ? 0 : uint256(info.end) + settleTime;
    }

    function _share(RewardEpoch storage account, uint256 stake, uint256 totalStake, uint64 weight) private view returns (uint256) {
        return Math.mulDiv(account.pot, stake * weight, totalStake * account.weight);
    }
}
