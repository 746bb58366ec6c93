// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {CommitteeEpoch, CommitteeParams, EpochStatus, ICommittee} from "../interfaces/ICommittee.sol";
import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {Authorities, Bond, INodeRegistry, Node} from "../interfaces/INodeRegistry.sol";
import {ProtocolDomain} from "../libraries/ProtocolDomain.sol";
import {BatchHeader} from "../types/Batch.sol";
import {CommitteeLib, CommitteeMember, QuorumSignature} from "../types/Committee.sol";
import {BatchStatus, Role} from "../types/Enums.sol";
import {Batch} from "../types/Settlement.sol";
import {Finality, LeafCheck, Rotation, StatementLib} from "../types/Statements.sol";

/// @title Committee of full nodes
contract Committee is ICommittee {
    uint256 private constant BPS = 10_000;

    INodeRegistry public immutable REGISTRY;
    /// Which the statements are about.
    IInferenceSettlement public immutable SETTLEMENT;

    CommitteeParams private _params;
    uint64 private _current;
    bytes32[] private _seats;
    mapping(bytes32 nodeId => address signer) private _seated;
    mapping(address signer => bytes32 nodeId) private _signers;
    mapping(uint64 epoch => CommitteeEpoch) private _epochs;
    mapping(uint64 epoch => CommitteeMember[]) private _members;
    mapping(uint64 epoch => bytes32[]) private _nodes;
    mapping(bytes32 statement => uint256 signers) private _slashed;

    constructor(INodeRegistry registry, CommitteeParams memory params_) {
        require(address(registry) != address(0), CommitteeBadParams("registry"));
        Authorities memory named = registry.authorities();
        require(named.committee == address(this), CommitteeBadParams("registry"));
        require(params_.grace < params_.epochLength, CommitteeBadParams("grace"));
        require(params_.certificateLife != 0, CommitteeBadParams("certificateLife"));
        // A signer must still be bonded when its statement can no longer be used.
        uint256 exposed = uint256(params_.epochLength) + params_.grace + params_.certificateLife;
        require(registry.params().stakeUnlock >= exposed, CommitteeBadParams("stakeUnlock"));
        require(params_.maxOperatorBps != 0 && params_.maxOperatorBps <= BPS, CommitteeBadParams("maxOperatorBps"));
        require(params_.falseStatementSlash != 0, CommitteeBadParams("falseStatementSlash"));
        (REGISTRY, SETTLEMENT) = (registry, IInferenceSettlement(named.settlement));
        _params = params_;
    }

    /// @inheritdoc ICommittee
    function join(bytes32 nodeId) external override {
        Node memory node = REGISTRY.node(nodeId);
        require(node.role == Role.Full && REGISTRY.isActive(nodeId), CommitteeNotFullNode(nodeId));
        require(_seated[nodeId] == address(0), CommitteeSeated(nodeId));
        address signer = node.paymentAuthorizer;
        require(_signers[signer] == 0, CommitteeSignerTaken(signer));

        bytes32 replaced = 0;
        if (_seats.length == CommitteeLib.MAX_MEMBERS) {
            (uint256 index, uint256 weakest) = _weakest();
            require(_stakeOf(nodeId) > weakest, CommitteeNoSeat(nodeId, _stakeOf(nodeId), weakest));
            replaced = _seats[index];
            _free(index);
        }
        _seats.push(nodeId);
        (_seated[nodeId], _signers[signer]) = (signer, nodeId);
        emit SeatTaken(nodeId, signer, replaced);
    }

    /// @inheritdoc ICommittee
    function leave(bytes32 nodeId) external override {
        require(_seated[nodeId] != address(0), CommitteeNotSeated(nodeId));
        bool own = REGISTRY.node(nodeId).operator == msg.sender;
        require(own || !REGISTRY.isActive(nodeId), CommitteeStillActive(nodeId));
        uint256 index = 0;
        while (_seats[index] != nodeId) ++index;
        _free(index);
    }

    /// @inheritdoc ICommittee
    function rotate() external override returns (uint64 epoch) {
        epoch = _current;
        if (epoch != 0) {
            uint64 ready = _epochs[epoch].start + _params.epochLength;
            require(block.timestamp >= ready, CommitteeNotYet(block.timestamp, ready));
            _epochs[epoch].end = uint64(block.timestamp);
        }
        _dropUnfit();
        require(_seats.length != 0, CommitteeEmpty());
        _current = ++epoch;

        (CommitteeMember[] memory list, bytes32[] memory nodeIds) = _sortedSeats();
        uint256 total = 0;
        for (uint256 i = 0; i < list.length; ++i) {
            total += list[i].stake;
            _members[epoch].push(list[i]);
            _nodes[epoch].push(nodeIds[i]);
        }
        bytes32 hash = CommitteeLib.listHash(epoch, list);
        bool fast = total >= _params.minTotalStake && _spread(list, nodeIds, total);
        _epochs[epoch] = CommitteeEpoch(hash, uint64(block.timestamp), 0, uint96(total), uint16(list.length), fast);
        emit CommitteeRotated(epoch, hash, uint64(block.timestamp), list, nodeIds);
    }

    /// @inheritdoc ICommittee
    function slashFalseFinality(
        Finality calldata statement,
        BatchHeader calldata header,
        CommitteeMember[] calldata members_,
        QuorumSignature calldata quorum
    ) external override {
        require(_isFalse(statement, header), CommitteeStatementTrue(statement.headerHash));
        _slashShown(statement.headerHash, statement.committeeEpoch, StatementLib.digest(statement, _domain()), members_, quorum);
    }

    /// @inheritdoc ICommittee
    function slashFalseRotation(Rotation calldata statement, CommitteeMember[] calldata members_, QuorumSignature calldata quorum)
        external
        override
    {
        require(statement.epoch != 0, CommitteeUnknownEpoch(0));
        // An epoch that has not begun has the list hash 0, which no list has.
        require(statement.listHash != _epochs[statement.epoch].listHash, CommitteeStatementTrue(statement.listHash));
        _slashShown(statement.listHash, statement.epoch - 1, StatementLib.digest(statement, _domain()), members_, quorum);
    }

    /// @inheritdoc ICommittee
    function slashFalseLeafCheck(
        BatchHeader calldata header,
        uint64 epoch,
        CommitteeMember[] calldata members_,
        QuorumSignature calldata quorum
    ) external override {
        bytes32 headerHash = SETTLEMENT.headerHash(header);
        // Reposted stands for a header that was Rejected before.
        Batch memory entry = SETTLEMENT.batch(header);
        bool fell = entry.status == BatchStatus.Rejected || entry.status == BatchStatus.Reposted;
        require(fell && !entry.hiddenFault, CommitteeStatementTrue(headerHash));
        _slashShown(headerHash, epoch, StatementLib.digest(LeafCheck(headerHash, epoch), _domain()), members_, quorum);
    }

    /// @inheritdoc ICommittee
    function slashLeafCheck(bytes32 headerHash, uint64 epoch, uint64 signers, address reporter) external override {
        require(msg.sender == address(SETTLEMENT), CommitteeNotSettlement(msg.sender));
        _slashOnce(headerHash, epoch, StatementLib.digest(LeafCheck(headerHash, epoch), _domain()), signers, reporter);
    }

    /// @inheritdoc ICommittee
    function signedStake(uint64 epoch, CommitteeMember[] calldata members_, bytes32 digest, QuorumSignature calldata quorum)
        external
        view
        override
        returns (uint256 signed, uint256 total)
    {
        EpochStatus status = epochStatus(epoch);
        require(status == EpochStatus.Current || status == EpochStatus.Grace, CommitteeDeadEpoch(epoch, _current));
        _checkList(epoch, members_);
        require(_epochs[epoch].fastPath, CommitteeFastPathOff(epoch));
        return CommitteeLib.signedStake(members_, digest, quorum.signers, quorum.signatures);
    }

    /// @inheritdoc ICommittee
    function currentEpoch() external view override returns (uint64) {
        return _current;
    }

    /// @inheritdoc ICommittee
    function epochInfo(uint64 epoch) external view override returns (CommitteeEpoch memory) {
        return _epochs[epoch];
    }

    /// @inheritdoc ICommittee
    function members(uint64 epoch) external view override returns (CommitteeMember[] memory) {
        return _members[epoch];
    }

    /// @inheritdoc ICommittee
    function memberNodes(uint64 epoch) external view override returns (bytes32[] memory) {
        return _nodes[epoch];
    }

    /// @inheritdoc ICommittee
    function seats() external view override returns (bytes32[] memory) {
        return _seats;
    }

    /// @inheritdoc ICommittee
    function fastPath(uint64 epoch) external view override returns (bool) {
        return _epochs[epoch].fastPath;
    }

    /// @inheritdoc ICommittee
    function params() external view override returns (CommitteeParams memory) {
        return _params;
    }

    /// @inheritdoc ICommittee
    function epochStatus(uint64 epoch) public view override returns (EpochStatus) {
        (uint64 start, uint64 end) = (_epochs[epoch].start, _epochs[epoch].end);
        // Only the current epoch has begun and not ended.
        if (start != 0 && end == 0) return EpochStatus.Current;
        uint64 current = _current;
        if (start == 0) return epoch == current + 1 ? EpochStatus.Scheduled : EpochStatus.None;
        bool inGrace = epoch + 1 == current && block.timestamp <= end + _params.grace;
        return inGrace ? EpochStatus.Grace : EpochStatus.Dead;
    }

    /// Whether the statement contradicts this chain, now and for ever.
    function _isFalse(Finality calldata statement, BatchHeader calldata header) private view returns (bool) {
        if (statement.validUntil > statement.settledAt + _params.certificateLife) return true;
        if (statement.settledAt > block.timestamp) return true;
        // A keep-alive says nothing else.
        if (statement.headerHash == 0 && statement.status == 0 && statement.channelsRoot == 0) return false;
        // What a member may say is terminal: any other state of the chain contradicts it, an unknown header included.
        bool terminal = statement.status == uint8(BatchStatus.Final) || statement.status == uint8(BatchStatus.Rejected)
            || statement.status == uint8(BatchStatus.RejectedNoFault);
        if (!terminal) return true;
        (BatchStatus status, uint64 replacedAt) = SETTLEMENT.statusIn(statement.slot, statement.headerHash);
        if (uint8(status) != statement.status) {
            // A slot that has taken another header no longer shows whether this one stood there. An honest member speaks in the
            // first half of a slot's life only, so what was said later than half a life before the change is false all the same.
            return status != BatchStatus.None || uint256(statement.settledAt) + _slotLife() / 2 > replacedAt;
        }
        return SETTLEMENT.headerHash(header) == statement.headerHash && header.channelsRoot != statement.channelsRoot;
    }

    /// Slashes those whose signatures over `digest` are shown; reverts on any that is not its seat's.
    function _slashShown(
        bytes32 subject,
        uint64 epoch,
        bytes32 digest,
        CommitteeMember[] calldata members_,
        QuorumSignature calldata quorum
    ) private {
        _checkList(epoch, members_);
        CommitteeLib.signedStake(members_, digest, quorum.signers, quorum.signatures);
        uint256 fresh = _slashOnce(subject, epoch, digest, quorum.signers, msg.sender);
        require(fresh != 0, CommitteeAlreadySlashed(epoch, digest));
    }

    /// One statement costs a signer once, however often and by whichever way it is shown.
    function _slashOnce(bytes32 subject, uint64 epoch, bytes32 digest, uint256 signers, address reporter) private returns (uint256 fresh) {
        fresh = signers & ~_slashed[digest];
        if (fresh == 0) return 0;
        _slashed[digest] |= fresh;
        emit FalseStatementProved(epoch, subject, uint64(fresh), reporter);
        bytes32[] storage nodeIds = _nodes[epoch];
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            if ((fresh >> i) & 1 == 1) REGISTRY.slash(nodeIds[i], subject, _params.falseStatementSlash, true, reporter);
        }
    }

    function _slotLife() private view returns (uint256) {
        return SETTLEMENT.params().slotLife;
    }

    /// EIP-712 domain of all statements.
    function _domain() private view returns (bytes32) {
        return ProtocolDomain.separator(block.chainid, address(SETTLEMENT));
    }

    function _dropUnfit() private {
        for (uint256 i = _seats.length; i > 0; --i) {
            bytes32 nodeId = _seats[i - 1];
            if (!REGISTRY.isActive(nodeId) || _stakeOf(nodeId) < REGISTRY.minBond(Role.Full)) _free(i - 1);
        }
    }

    function _free(uint256 index) private {
        bytes32 nodeId = _seats[index];
        address signer = _seated[nodeId];
        delete _signers[signer];
        delete _seated[nodeId];
        _seats[index] = _seats[_seats.length - 1];
        _seats.pop();
        emit SeatLeft(nodeId, signer);
    }

    /// Seats as members, ascending by signer.
    function _sortedSeats() private view returns (CommitteeMember[] memory list, bytes32[] memory nodeIds) {
        uint256 count = _seats.length;
        list = new CommitteeMember[](count);
        nodeIds = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes32 nodeId = _seats[i];
            CommitteeMember memory member = CommitteeMember(_seated[nodeId], _stakeOf(nodeId));
            uint256 place = i;
            for (; place > 0 && list[place - 1].signer > member.signer; --place) {
                (list[place], nodeIds[place]) = (list[place - 1], nodeIds[place - 1]);
            }
            (list[place], nodeIds[place]) = (member, nodeId);
        }
    }

    /// Whether no operator holds more than its share.
    function _spread(CommitteeMember[] memory list, bytes32[] memory nodeIds, uint256 total) private view returns (bool) {
        address[] memory operators = new address[](list.length);
        for (uint256 i = 0; i < list.length; ++i) operators[i] = REGISTRY.node(nodeIds[i]).operator;
        for (uint256 i = 0; i < list.length; ++i) {
            uint256 held = 0;
            for (uint256 j = 0; j < list.length; ++j) {
                if (operators[j] == operators[i]) held += list[j].stake;
            }
            if (held * BPS > total * _params.maxOperatorBps) return false;
        }
        return true;
    }

    function _weakest() private view returns (uint256 index, uint256 stake) {
        stake = type(uint256).max;
        for (uint256 i = 0; i < _seats.length; ++i) {
            uint256 candidate = _stakeOf(_seats[i]);
            if (candidate < stake) (index, stake) = (i, candidate);
        }
    }

    function _stakeOf(bytes32 nodeId) private view returns (uint96) {
        Bond memory account = REGISTRY.bond(nodeId);
        return account.free + account.locked;
    }

    function _checkList(uint64 epoch, CommitteeMember[] calldata members_) private view {
        bytes32 expected = _epochs[epoch].listHash;
        require(expected != 0, CommitteeUnknownEpoch(epoch));
        bytes32 given = CommitteeLib.givenListHash(epoch, members_);
        require(given == expected, CommitteeWrongList(epoch, given, expected));
    }
}
