// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {CalldataDigest} from "../libraries/CalldataDigest.sol";
import {PositionalTree} from "../libraries/PositionalTree.sol";
import {BatchHeader, BatchLib} from "../types/Batch.sol";
import {BatchStatus} from "../types/Enums.sol";
import {InferenceReceipt} from "../types/Receipt.sol";
import {Batch, SettlementParams} from "../types/Settlement.sol";
import {ChecksWord} from "./ChecksWord.sol";
import {HeadWord} from "./HeadWord.sol";
import {SettlementCore} from "./SettlementCore.sol";

/// @title What settlement answers, and its guardian's stop
abstract contract SettlementViews is IInferenceSettlement, SettlementCore {
    uint64 private constant PAUSE = 7 days;

    /// A header's slot as it was read.
    struct Found {
        bytes32 hash;
        bytes32 slot;
        BatchStatus status; // None: the slot does not keep this header, and the rest means nothing
        HeadWord head;
        ChecksWord checks;
    }

    /// @inheritdoc IInferenceSettlement
    function pauseIntake() external override restricted {
        uint64 notBefore = _pausedUntil == 0 ? 0 : _pausedUntil + PAUSE;
        require(block.timestamp >= notBefore, SettlementPauseTooSoon(notBefore));
        _pausedUntil = uint64(block.timestamp) + PAUSE;
        emit IntakePaused(_pausedUntil);
    }

    /// @inheritdoc IInferenceSettlement
    function batch(BatchHeader calldata header) external view override returns (Batch memory) {
        Found memory found = _find(header);
        if (found.status == BatchStatus.None) return Batch(BatchStatus.None, false, 0, 0, 0, 0, 0, 0, 0, false);
        (HeadWord head, ChecksWord checks) = (found.head, found.checks);
        return Batch({
            status: found.status,
            fullBond: head.fullBond(),
            postedAt: head.postedAt(),
            postedBlock: head.postedBlock(),
            committeeEpoch: checks.committeeEpoch(),
            signers: checks.signers(),
            openDemands: checks.openDemands(),
            totalDemands: checks.totalDemands(),
            extension: checks.extension(),
            hiddenFault: head.hiddenFault()
        });
    }

    /// @inheritdoc IInferenceSettlement
    function status(BatchHeader calldata header) external view override returns (BatchStatus) {
        return _find(header).status;
    }

    /// @inheritdoc IInferenceSettlement
    function statusIn(bytes32 slot, bytes32 headerHash_) external view override returns (BatchStatus, uint64) {
        HeadWord head = _slots[slot].head;
        if (head.keeps(headerHash_)) return (head.status(), 0);
        return (BatchStatus.None, head.replaced() ? head.postedAt() : 0);
    }

    /// @inheritdoc IInferenceSettlement
    function numberedSlot(bytes32 nodeId, uint64 number) external view override returns (bytes22 header, uint256 freeAt) {
        HeadWord head = _slots[BatchLib.numberedSlot(nodeId, number)].head;
        return (head.header(), head.freeAt(SLOT_LIFE));
    }

    /// @inheritdoc IInferenceSettlement
    function tip(bytes32 nodeId) external view override returns (uint64 nonce, bytes24 prevHeader) {
        return _tipOf(nodeId);
    }

    /// @inheritdoc IInferenceSettlement
    function line(bytes32 nodeId, bytes32 paymentId) external view override returns (uint128 settledTo, uint64 nextSequence) {
        return _lineOf(_lineKey(nodeId, paymentId));
    }

    /// @inheritdoc IInferenceSettlement
    function finalizableAt(BatchHeader calldata header) external view override returns (uint256 time, uint256 block_) {
        return _finalizableAt(_find(header));
    }

    /// @inheritdoc IInferenceSettlement
    function headerHash(BatchHeader calldata header) external view override returns (bytes32) {
        return CalldataDigest.header(header, DOMAIN);
    }

    /// @inheritdoc IInferenceSettlement
    function receiptDigest(InferenceReceipt calldata receipt) external view override returns (bytes32) {
        return CalldataDigest.receipt(receipt, DOMAIN);
    }

    /// @inheritdoc IInferenceSettlement
    function verifyInclusion(
        BatchHeader calldata header,
        InferenceReceipt calldata receipt,
        bytes calldata signature,
        uint256 index,
        bytes32[] calldata path
    ) external view override returns (BatchStatus) {
        bytes32 leaf = CalldataDigest.receiptLeaf(CalldataDigest.receipt(receipt, DOMAIN), signature);
        bytes32 root = PositionalTree.rootOf(leaf, index, header.count, path);
        require(root == header.receiptsRoot, SettlementRootMismatch("receipts", header.receiptsRoot, root));
        return _find(header).status;
    }

    /// @inheritdoc IInferenceSettlement
    function proofContext(InferenceReceipt calldata receipt, address beneficiary) external view override returns (uint256) {
        return _context(CalldataDigest.receipt(receipt, DOMAIN), receipt.modelId, beneficiary, receipt.issuedAt);
    }

    /// @inheritdoc IInferenceSettlement
    function params() external view override returns (SettlementParams memory) {
        return _params;
    }

    /// @inheritdoc IInferenceSettlement
    function domainSeparator() external view override returns (bytes32) {
        return DOMAIN;
    }

    /// @inheritdoc IInferenceSettlement
    function lockOf(uint128 totalCharge, bool fullBond) external view override returns (uint96) {
        return _lockOf(totalCharge, fullBond);
    }

    /// What stands about a header; a Posted one with signers is Certified.
    function _find(BatchHeader calldata header) internal view returns (Found memory found) {
        found.hash = CalldataDigest.header(header, DOMAIN);
        found.slot = BatchLib.slotOf(header.nodeId, header.prevHeader, found.hash);
        HeaderSlot storage slot = _slots[found.slot];
        found.head = slot.head;
        if (!found.head.keeps(found.hash)) return found;
        found.checks = slot.checks.about(header.nonce);
        found.status = found.head.status();
        if (found.status == BatchStatus.Posted && found.checks.signers() != 0) found.status = BatchStatus.Certified;
    }

    function _finalizableAt(Found memory found) internal view returns (uint256 time, uint256 block_) {
        if (found.status == BatchStatus.None) return (0, 0);
        time = uint256(found.head.postedAt()) + _params.window + found.checks.extension();
        return (time, uint256(found.head.postedBlock()) + _params.windowBlocks);
    }
}
