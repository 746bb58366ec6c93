// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Demand, DemandKind, IDemands, LastAnswer} from "../interfaces/IDemands.sol";
import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {Openings} from "../libraries/Openings.sol";
import {BatchHeader, BatchLib, ChannelStretch} from "../types/Batch.sol";
import {BatchStatus} from "../types/Enums.sol";
import {FaultKind, LeafProof, StretchProof} from "../types/Faults.sol";

/// @title Demands for a batch's data
contract Demands is IDemands {
    uint8 private constant MAX_LEAVES = 16;
    /// Gas of an answer: what it costs at all, and for each leaf of a tree of 2^20.
    uint256 private constant ANSWER_GAS = 80_000;
    uint256 private constant LEAF_GAS = 40_000;
    /// Where the base fee is nearly nothing, asking must still cost something.
    uint256 private constant MIN_FEE = 0.001 gwei;

    IInferenceSettlement public immutable SETTLEMENT;
    bytes32 private immutable DOMAIN;
    uint64 private immutable RESPONSE_TIME;
    uint64 private immutable RESPONSE_BLOCKS;

    Demand[] private _demands;
    mapping(address => uint256) private _credits;

    constructor(IInferenceSettlement settlement) {
        require(address(settlement) != address(0) && settlement.isArbiter(address(this)), DemandsBadParams("settlement"));
        SETTLEMENT = settlement;
        DOMAIN = settlement.domainSeparator();
        RESPONSE_TIME = settlement.params().responseTime;
        RESPONSE_BLOCKS = settlement.params().windowBlocks;
    }

    /// @inheritdoc IDemands
    function ask(BatchHeader calldata header, DemandKind kind, uint32 first, uint8 count)
        external
        payable
        override
        returns (uint256 demandId)
    {
        require(kind == DemandKind.Receipts || kind == DemandKind.Stretches, DemandsWrongKind(_demands.length, kind));
        uint256 leaves = kind == DemandKind.Receipts ? header.count : header.channels;
        bool inside = count != 0 && count <= MAX_LEAVES && uint256(first) + count <= leaves;
        require(inside, DemandsBadRange(first, count, leaves));
        return _open(header, kind, first, count, 0);
    }

    /// @inheritdoc IDemands
    function askLast(BatchHeader calldata header, bytes32 paymentId) external payable override returns (uint256 demandId) {
        return _open(header, DemandKind.LastOf, 0, 3, paymentId);
    }

    /// @inheritdoc IDemands
    function answerReceipts(uint256 demandId, BatchHeader calldata header, LeafProof[] calldata leaves) external override {
        Demand storage entry = _expect(demandId, header, DemandKind.Receipts, leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            require(leaves[i].index == entry.first + i, DemandsBadAnswer(i));
            Openings.receipt(header, leaves[i], DOMAIN);
        }
        _answered(demandId, entry, header);
    }

    /// @inheritdoc IDemands
    function answerStretches(uint256 demandId, BatchHeader calldata header, StretchProof[] calldata stretches) external override {
        Demand storage entry = _expect(demandId, header, DemandKind.Stretches, stretches.length);
        for (uint256 i = 0; i < stretches.length; ++i) {
            require(stretches[i].index == entry.first + i, DemandsBadAnswer(i));
            Openings.stretch(header, stretches[i]);
        }
        _answered(demandId, entry, header);
    }

    /// @inheritdoc IDemands
    function answerLast(uint256 demandId, BatchHeader calldata header, LastAnswer calldata answer) external override {
        Demand storage entry = _expect(demandId, header, DemandKind.LastOf, 3);
        uint256 count = answer.stretches.length;
        require(count == 1 || count == 2, DemandsBadAnswer(count));
        for (uint256 i = 0; i < count; ++i) Openings.stretch(header, answer.stretches[i]);
        bool neighbours = count == 1 || answer.stretches[1].index == answer.stretches[0].index + 1;
        require(neighbours, DemandsBadAnswer(1));

        uint256 index = answer.stretches[0].index;
        ChannelStretch calldata left = answer.stretches[0].stretch;
        bool atEnd = count == 1 && index + 1 == header.channels;
        if (left.paymentId == entry.paymentId) {
            // Nothing of the payment stands to the right.
            bool isLast = atEnd || (count == 2 && answer.stretches[1].stretch.paymentId != entry.paymentId);
            require(isLast && answer.leaf.length == 1, DemandsBadAnswer(0));
            require(answer.leaf[0].index + 1 == uint256(left.firstLeaf) + left.leafCount, DemandsBadAnswer(0));
            Openings.receipt(header, answer.leaf[0], DOMAIN);
        } else {
            bool before = count == 1 && index == 0 && left.paymentId > entry.paymentId;
            bool behind = atEnd && left.paymentId < entry.paymentId;
            bool between =
                count == 2 && left.paymentId < entry.paymentId && answer.stretches[1].stretch.paymentId > entry.paymentId;
            require(before || behind || between, DemandsBadAnswer(0));
        }
        _answered(demandId, entry, header);
    }

    /// @inheritdoc IDemands
    function enforce(uint256 demandId, BatchHeader calldata header) external override {
        Demand storage entry = _opened(demandId, header);
        (uint256 time, uint256 block_) = deadline(demandId);
        require(block.timestamp > time && block.number > block_, DemandsNotYet(block.timestamp, time));
        entry.open = false;
        _credits[entry.asker] += entry.bond;
        emit DemandEnforced(demandId, entry.headerHash);
        SETTLEMENT.countDemand(header, false);
        SETTLEMENT.reject(header, uint8(FaultKind.Unanswered), entry.asker);
    }

    /// @inheritdoc IDemands
    function close(uint256 demandId, BatchHeader calldata header) external override {
        Demand storage entry = _opened(demandId, header);
        BatchStatus status = SETTLEMENT.status(header);
        bool pending = status == BatchStatus.Posted || status == BatchStatus.Certified;
        require(!pending, DemandsStillPending(entry.headerHash));
        entry.open = false;
        _credits[entry.asker] += entry.bond;
        emit DemandClosed(demandId, entry.headerHash);
    }

    /// @inheritdoc IDemands
    function withdraw() external override {
        uint256 amount = _credits[msg.sender];
        _credits[msg.sender] = 0;
        emit CreditWithdrawn(msg.sender, amount);
        (bool ok,) = msg.sender.call{value: amount}("");
        require(ok, DemandsTransferFailed(msg.sender, amount));
    }

    /// @inheritdoc IDemands
    function demand(uint256 demandId) external view override returns (Demand memory) {
        return _demands[demandId];
    }

    /// @inheritdoc IDemands
    function demandCount() external view override returns (uint256) {
        return _demands.length;
    }

    /// @inheritdoc IDemands
    function credit(address account) external view override returns (uint256) {
        return _credits[account];
    }

    /// @inheritdoc IDemands
    function bondFor(uint256 count) public view override returns (uint256) {
        uint256 fee = block.basefee < MIN_FEE ? MIN_FEE : block.basefee;
        // Twice today's price: fees rise between question and answer.
        return 2 * fee * (ANSWER_GAS + count * LEAF_GAS);
    }

    /// @inheritdoc IDemands
    function deadline(uint256 demandId) public view override returns (uint256 time, uint256 block_) {
        Demand storage entry = _demands[demandId];
        return (uint256(entry.openedAt) + RESPONSE_TIME, uint256(entry.openedBlock) + RESPONSE_BLOCKS);
    }

    function _open(BatchHeader calldata header, DemandKind kind, uint32 first, uint8 count, bytes32 paymentId)
        private
        returns (uint256 demandId)
    {
        uint256 needed = bondFor(count);
        require(msg.value >= needed && msg.value <= type(uint128).max, DemandsBond(msg.value, needed));
        bytes32 headerHash = BatchLib.digest(header, DOMAIN);
        demandId = _demands.length;
        _demands.push(
            Demand({
                headerHash: headerHash,
                kind: kind,
                count: count,
                first: first,
                openedAt: uint40(block.timestamp),
                openedBlock: uint40(block.number),
                asker: msg.sender,
                open: true,
                bond: uint128(msg.value),
                paymentId: paymentId
            })
        );
        emit DemandOpened(demandId, headerHash, msg.sender, kind, first, count, paymentId);
        SETTLEMENT.countDemand(header, true);
    }

    function _answered(uint256 demandId, Demand storage entry, BatchHeader calldata header) private {
        entry.open = false;
        _credits[msg.sender] += entry.bond;
        emit DemandAnswered(demandId, entry.headerHash, msg.sender);
        SETTLEMENT.countDemand(header, false);
    }

    /// An answer is taken until somebody enforces: late data is better than none.
    function _expect(uint256 demandId, BatchHeader calldata header, DemandKind kind, uint256 count)
        private
        view
        returns (Demand storage entry)
    {
        entry = _opened(demandId, header);
        require(entry.kind == kind, DemandsWrongKind(demandId, entry.kind));
        require(entry.count == count, DemandsBadRange(entry.first, count, entry.count));
    }

    function _opened(uint256 demandId, BatchHeader calldata header) private view returns (Demand storage entry) {
        require(demandId < _demands.length && _demands[demandId].open, DemandsNotOpen(demandId));
        entry = _demands[demandId];
        bytes32 headerHash = BatchLib.digest(header, DOMAIN);
        require(headerHash == entry.headerHash, DemandsWrongHeader(headerHash, entry.headerHash));
    }
}
