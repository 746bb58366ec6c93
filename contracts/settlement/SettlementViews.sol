// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {CalldataDigest} from "../libraries/CalldataDigest.sol";
import {PositionalTree} from "../libraries/PositionalTree.sol";
import {BatchHeader, BatchLib} from "../types/Batch.sol";
import {BatchStatus} from "../types/Enums.sol";
import {InferenceReceipt} from "../types/Receipt.sol";
import {Batch, SettlementParams} from "../types/Settlement.sol";
import {SettlementCore} from "./SettlementCore.sol";

/// @title What settlement answers, and its guardian's stop
abstract contract SettlementViews is IInferenceSettlement, SettlementCore {
    uint64 private constant PAUSE = 7 days;

    /// @inheritdoc IInferenceSettlement
    function pauseIntake() external override restricted {
        uint64 notBefore = _pausedUntil == 0 ? 0 : _pausedUntil + PAUSE;
        require(block.timestamp >= notBefore, SettlementPauseTooSoon(notBefore));
        _pausedUntil = uint64(block.timestamp) + PAUSE;
        emit IntakePaused(_pausedUntil);
    }

    /// @inheritdoc IInferenceSettlement
    function batch(bytes32 headerHash_) external view override returns (Batch memory) {
        return _batches[headerHash_];
    }

    /// @inheritdoc IInferenceSettlement
    function status(BatchHeader calldata header) external view override returns (BatchStatus) {
        return _statusOf(header, CalldataDigest.header(header, DOMAIN));
    }

    /// @inheritdoc IInferenceSettlement
    function statusIn(bytes32 slot, bytes32 headerHash_) external view override returns (BatchStatus status_, uint64 replacedAt) {
        status_ = _statusIn(slot, headerHash_);
        if (slot == headerHash_ || status_ != BatchStatus.None) return (status_, 0);
        (, uint64 settledAt, bool replaced) = _settledIn(slot);
        return (status_, replaced ? settledAt : 0);
    }

    /// @inheritdoc IInferenceSettlement
    function numberedSlot(bytes32 nodeId, bytes32 number) external view override returns (bytes24 header, uint256 freeAt) {
        uint64 settledAt;
        (header, settledAt,) = _settledIn(BatchLib.numberedSlot(nodeId, number));
        freeAt = settledAt == 0 ? 0 : uint256(settledAt) + SLOT_LIFE;
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
    function finalizableAt(bytes32 headerHash_) public view override returns (uint256 time, uint256 block_) {
        Batch storage entry = _batches[headerHash_];
        return (uint256(entry.postedAt) + _params.window + entry.extension, uint256(entry.postedBlock) + _params.windowBlocks);
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
        return _statusOf(header, CalldataDigest.header(header, DOMAIN));
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

    function _statusOf(BatchHeader calldata header, bytes32 hash) internal view returns (BatchStatus) {
        bool numbered = header.blobId == 0 && header.contentHash != 0;
        return _statusIn(numbered ? BatchLib.numberedSlot(header.nodeId, header.contentHash) : hash, hash);
    }
}
