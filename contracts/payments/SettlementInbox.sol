// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Certificate, InboxEpoch, InboxTimes, ISettlementInbox, Verdict} from "../interfaces/ISettlementInbox.sol";
import {ProtocolDomain} from "../libraries/ProtocolDomain.sol";
import {CommitteeLib, CommitteeMember, QuorumSignature} from "../types/Committee.sol";
import {BatchStatus} from "../types/Enums.sol";
import {Finality, Rotation, StatementLib} from "../types/Statements.sol";

/// @title Settlement inbox
/// @dev See ISettlementInbox. Not upgradeable and without admin: a new rule is a new inbox and a new escrow.
contract SettlementInbox is ISettlementInbox {
    bytes32 public immutable settlementDomain;
    uint256 public immutable settlementChainId;
    address public immutable settlement;
    address public immutable bootstrapper;

    uint64 public currentEpoch;
    uint64 private _lastHeardAt;
    uint64 private _alive; // alive seconds up to _lastHeardAt
    uint64 private _lastBeat; // settledAt of the newest keep-alive

    uint32 private immutable _silence;
    uint32 private immutable _stopMax;
    uint32 private immutable _grace;
    uint32 private immutable _epochLife;
    mapping(uint64 epoch => InboxEpoch) private _epochs;
    mapping(bytes32 headerHash => Verdict) private _verdicts;

    constructor(uint256 settlementChainId_, address settlement_, address bootstrapper_, InboxTimes memory times_) {
        bool sane = times_.silence != 0 && times_.stopMax >= times_.silence && times_.grace != 0 && times_.epochLife > times_.grace;
        require(sane, InboxBadTimes(times_.silence, times_.stopMax, times_.grace, times_.epochLife));
        settlementChainId = settlementChainId_;
        settlement = settlement_;
        settlementDomain = ProtocolDomain.separator(settlementChainId_, settlement_);
        bootstrapper = bootstrapper_;
        (_silence, _stopMax, _grace, _epochLife) = (times_.silence, times_.stopMax, times_.grace, times_.epochLife);
        _lastHeardAt = uint64(block.timestamp);
    }

    function bootstrap(uint64 epoch, CommitteeMember[] calldata members) external {
        require(msg.sender == bootstrapper, InboxNotBootstrapper(msg.sender));
        require(currentEpoch == 0, InboxAlreadyBootstrapped(currentEpoch));
        require(epoch != 0, InboxNotNext(epoch, 1));
        _hear();
        _start(epoch, members);
    }

    function rotate(
        Rotation calldata rotation,
        CommitteeMember[] calldata nextMembers,
        CommitteeMember[] calldata currentMembers,
        QuorumSignature calldata quorum
    ) external {
        uint64 signer = currentEpoch;
        require(rotation.epoch == signer + 1, InboxNotNext(rotation.epoch, signer + 1));
        require(
            rotation.paymentChainId == block.chainid && rotation.inbox == address(this),
            InboxWrongPlace(rotation.paymentChainId, rotation.inbox)
        );
        require(block.timestamp <= rotation.validUntil, InboxExpired(rotation.validUntil, block.timestamp));
        bytes32 listHash = CommitteeLib.givenListHash(rotation.epoch, nextMembers);
        require(listHash == rotation.listHash, InboxWrongList(rotation.epoch, listHash));
        _requireQuorum(signer, currentMembers, StatementLib.digest(rotation, settlementDomain), quorum);

        _hear();
        _epochs[signer].endedAt = uint64(block.timestamp);
        _start(rotation.epoch, nextMembers);
    }

    function record(Certificate calldata certificate) external returns (Verdict memory verdict) {
        Finality calldata finality = certificate.finality;
        require(
            finality.paymentChainId == block.chainid && finality.inbox == address(this),
            InboxWrongPlace(finality.paymentChainId, finality.inbox)
        );
        require(block.timestamp <= finality.validUntil, InboxExpired(finality.validUntil, block.timestamp));
        bytes32 digest = StatementLib.digest(finality, settlementDomain);
        _requireQuorum(finality.committeeEpoch, certificate.members, digest, certificate.quorum);

        if (finality.headerHash == 0) return _beat(finality);

        require(
            finality.status == uint8(BatchStatus.Final) || finality.status == uint8(BatchStatus.Rejected)
                || finality.status == uint8(BatchStatus.RejectedNoFault),
            InboxBadStatus(finality.status)
        );
        verdict = _verdicts[finality.headerHash];
        if (verdict.status == 0) {
            // Only news wind the clock: a certificate that is carried again says nothing about today.
            _hear();
            verdict = Verdict(finality.status, finality.committeeEpoch, uint64(block.timestamp), finality.channelsRoot);
            _verdicts[finality.headerHash] = verdict;
            emit VerdictRecorded(finality.headerHash, finality.status, finality.channelsRoot, finality.committeeEpoch);
        } else if (verdict.status != finality.status || verdict.channelsRoot != finality.channelsRoot) {
            // Money may have moved by the first one: it holds. The pair is evidence on the settlement chain.
            emit CertificateConflicted(
                finality.headerHash, verdict.status, finality.status, finality.channelsRoot, finality.committeeEpoch
            );
        }
    }

    function verdictOf(bytes32 headerHash) external view returns (Verdict memory) {
        return _verdicts[headerHash];
    }

    function aliveTime() external view returns (uint256) {
        return _alive + _aliveSince(block.timestamp - _lastHeardAt);
    }

    function lastHeardAt() external view returns (uint256) {
        return _lastHeardAt;
    }

    function epochOf(uint64 epoch) external view returns (InboxEpoch memory) {
        return _epochs[epoch];
    }

    function times() external view returns (InboxTimes memory) {
        return InboxTimes(_silence, _stopMax, _grace, _epochLife);
    }

    function _start(uint64 epoch, CommitteeMember[] calldata members) private {
        require(members.length != 0 && members.length <= CommitteeLib.MAX_MEMBERS, InboxBadCommittee(members.length));
        uint256 totalStake = 0;
        address last = address(0);
        for (uint256 i = 0; i < members.length; ++i) {
            require(members[i].signer > last && members[i].stake != 0, InboxBadCommittee(i));
            last = members[i].signer;
            totalStake += members[i].stake;
        }
        bytes32 listHash = CommitteeLib.givenListHash(epoch, members);
        currentEpoch = epoch;
        // 64 stakes of 96 bits fit 102 bits.
        _epochs[epoch] = InboxEpoch(listHash, uint64(block.timestamp), 0, uint128(totalStake));
        emit EpochStarted(epoch, listHash, totalStake);
    }

    function _requireQuorum(uint64 epoch, CommitteeMember[] calldata members, bytes32 digest, QuorumSignature calldata quorum)
        private
        view
    {
        InboxEpoch storage known = _epochs[epoch];
        uint256 end = known.endedAt == 0 ? uint256(known.startedAt) + _epochLife : known.endedAt;
        bool accepted = known.listHash != 0 && block.timestamp <= end + _grace;
        require(accepted, InboxEpochNotAccepted(epoch, currentEpoch));
        bytes32 listHash = CommitteeLib.givenListHash(epoch, members);
        require(listHash == known.listHash, InboxWrongList(epoch, listHash));
        (uint256 signed, uint256 total) = CommitteeLib.signedStake(members, digest, quorum.signers, quorum.signatures);
        require(CommitteeLib.isQuorum(signed, total), InboxNoQuorum(signed, total));
    }

    /// @dev A replayed keep-alive must not make a silent inbox look alive, so its time has to rise.
    function _beat(Finality calldata finality) private returns (Verdict memory none) {
        require(finality.status == 0 && finality.channelsRoot == 0, InboxBadStatus(finality.status));
        require(finality.settledAt <= block.timestamp + _silence, InboxFutureBeat(finality.settledAt, block.timestamp));
        require(finality.settledAt > _lastBeat, InboxStaleBeat(finality.settledAt, _lastBeat));
        _lastBeat = finality.settledAt;
        _hear();
        emit Beaten(finality.committeeEpoch, finality.settledAt);
        return none;
    }

    function _hear() private {
        _alive += uint64(_aliveSince(block.timestamp - _lastHeardAt));
        _lastHeardAt = uint64(block.timestamp);
    }

    /// @dev After `silence` the clock stands still, for `stopMax` at most.
    function _aliveSince(uint256 gap) private view returns (uint256) {
        if (gap <= _silence) return gap;
        return gap - _silence <= _stopMax ? _silence : gap - _stopMax;
    }
}
