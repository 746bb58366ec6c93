// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {CalldataDigest} from "../libraries/CalldataDigest.sol";
import {PositionalTree} from "../libraries/PositionalTree.sol";
import {BatchHeader, ChannelStretch} from "../types/Batch.sol";
import {Outcome, SettlementMode, Verification} from "../types/Enums.sol";
import {InferenceReceipt} from "../types/Receipt.sol";
import {Run, RunStretch} from "../types/Settlement.sol";
import {SettlementCore} from "./SettlementCore.sol";

/// @title Individual settlement without what follows from the rest
/// @notice The same headers, tables and events as `settle`, for the common case: one key, one model, one set of terms. What the
/// receipts share is given once; roots, sums, times and the place in the node's chain are computed. The node signs the very
/// header that comes out, so a wrong part of a call ends as a bad signature.
abstract contract RunSettlement is IInferenceSettlement, SettlementCore {
    /// Bytes of an item before its signature. See `Run.items`.
    uint256 private constant ITEM = 107;

    /// What is carried from one receipt to the next.
    struct Trace {
        InferenceReceipt receipt; // of the moment
        bytes32[] digests;
        bytes32[] leaves;
        uint256 signatureLength;
        uint256 next; // receipt
        uint256 total;
        uint64 oldest;
        uint64 newest;
    }

    /// @inheritdoc IInferenceSettlement
    function settleRun(Run calldata run) external override whenOpen returns (bytes32 hash) {
        require(run.terms.verification == uint8(Verification.Tee), SettlementBadTerms(0, "verification"));
        (hash,) = _settleRun(run);
    }

    /// @inheritdoc IInferenceSettlement
    function settleProvedRun(Run calldata run, bytes calldata proofs, uint256[] calldata statements)
        external
        override
        whenOpen
        returns (bytes32 hash)
    {
        uint8 method = run.terms.verification;
        bool proves = method == uint8(Verification.Zkml) || method == uint8(Verification.TeeAndZkml);
        require(proves, SettlementBadTerms(0, "verification"));
        Trace memory trace;
        (hash, trace) = _settleRun(run);
        _prove(run, trace, proofs, statements);
        emit ProofsVerified(hash, run.modelId, trace.next, keccak256(abi.encodePacked(statements)));
    }

    /// Everything but proofs.
    function _settleRun(Run calldata run) private returns (bytes32 hash, Trace memory trace) {
        require(run.terms.settlementMode != uint8(SettlementMode.Private), SettlementBadTerms(0, "settlementMode"));
        BatchHeader memory header;
        _read(run, trace, header);
        _requireAge(trace.oldest, trace.newest, _oldest(MAX_AGE));
        hash = _chain(header);
        _keepFinal(header.nodeId, header.contentHash, hash);
        emit HeaderSettled(hash, header.nodeId, header.nonce, header.channelsRoot);

        Signer memory key = _signer(header.nodeId, header.keyId, trace.oldest, trace.newest, uint64(block.timestamp));
        bytes calldata items = run.items;
        uint256 length = trace.signatureLength;
        require(_signed(key, hash, items[:length]), SettlementBadHeaderSignature(hash));
        for (uint256 i = 0; i < trace.next; ++i) {
            // Its length was checked when the items were read.
            bytes calldata signature = _slice(items, length + i * (ITEM + length) + ITEM, length);
            require(_signed(key, trace.digests[i], signature), SettlementBadReceiptSignature(i, trace.digests[i]));
        }
        if (run.terms.verification != uint8(Verification.Zkml)) {
            require(bytes16(run.terms.policyId) == key.policyPrefix, SettlementBadTerms(0, "policyId"));
        }
    }

    /// Receipts into digests, leaves and sums; the header from them. Moves the lines.
    function _read(Run calldata run, Trace memory trace, BatchHeader memory header) private {
        RunStretch[] calldata stretches = run.stretches;
        uint256 count = 0;
        for (uint256 i = 0; i < stretches.length; ++i) count += stretches[i].count;
        require(count != 0 && count <= type(uint32).max, SettlementBadHeader("count"));
        // One signature more than receipts: the header's.
        uint256 length = run.items.length;
        uint256 signatures = length - (length < count * ITEM ? length : count * ITEM);
        require(signatures != 0 && signatures % (count + 1) == 0, SettlementCountMismatch("items", length, count));
        trace.signatureLength = signatures / (count + 1);
        (trace.digests, trace.leaves) = (new bytes32[](count), new bytes32[](count));
        trace.oldest = type(uint64).max;
        header.nodeId = trace.receipt.nodeId = run.terms.nodeId;
        header.keyId = trace.receipt.keyId = run.keyId;
        header.contentHash = bytes32(uint256(run.slot));
        trace.receipt.modelId = run.modelId;
        trace.receipt.termsHash = CalldataDigest.terms(run.terms);

        bytes32[] memory stretchLeaves = new bytes32[](stretches.length);
        bytes32 previous = 0;
        for (uint256 i = 0; i < stretches.length; ++i) {
            bytes32 paymentId = stretches[i].paymentId;
            require(i == 0 || paymentId > previous, SettlementOrder(trace.next));
            previous = paymentId;
            stretchLeaves[i] = _readStretch(run.items, stretches[i], trace);
        }
        require(trace.total <= type(uint128).max, SettlementBadHeader("totalCharge"));
        (header.count, header.channels, header.totalCharge) = (uint32(count), uint32(stretches.length), uint128(trace.total));
        (header.minIssuedAt, header.maxIssuedAt) = (trace.oldest, trace.newest);
        header.receiptsRoot = PositionalTree.rootOf(trace.leaves);
        header.channelsRoot = PositionalTree.rootOf(stretchLeaves);
    }

    /// One payment's receipts: its watermark, then each receipt where the one before ended.
    /// @return The stretch's leaf.
    function _readStretch(bytes calldata items, RunStretch calldata given, Trace memory trace) private returns (bytes32) {
        InferenceReceipt memory receipt = trace.receipt;
        ChannelStretch memory stretch;
        (stretch.paymentChainId, stretch.escrow) = (given.paymentChainId, given.escrow);
        stretch.paymentId = receipt.paymentId = given.paymentId;
        stretch.from = given.cumulativeBefore;
        (stretch.firstLeaf, stretch.leafCount) = (uint32(trace.next), given.count);
        require(given.count != 0, SettlementOrder(trace.next));
        bytes32 line = _requireNew(trace.next, receipt.nodeId, given.paymentId, given.cumulativeBefore, given.sequence);

        (uint256 end, uint256 sequence) = (given.cumulativeBefore, given.sequence);
        for (uint256 last = trace.next + given.count; trace.next < last; ++trace.next) {
            (receipt.cumulativeBefore, receipt.sequence) = (uint128(end), uint64(sequence));
            _readItem(items, trace, receipt);
            (end, sequence) = (end + receipt.charge, sequence + 1);
            require(end <= type(uint128).max && sequence <= type(uint64).max, SettlementBadReceipt(trace.next, "charge"));
        }
        trace.total += end - stretch.from;
        (stretch.to, stretch.prefixTotal) = (uint128(end), uint128(trace.total));
        _settleTo(line, receipt.nodeId, given.paymentId, uint128(end), uint64(sequence));
        return CalldataDigest.stretchLeafInMemory(stretch);
    }

    function _readItem(bytes calldata items, Trace memory trace, InferenceReceipt memory receipt) private view {
        (uint256 index, uint256 length) = (trace.next, trace.signatureLength);
        uint256 at = length + index * (ITEM + length);
        receipt.requestHash = _word(items, at);
        receipt.responseHash = _word(items, at + 32);
        uint256 amounts = uint256(_word(items, at + 64));
        receipt.charge = uint128(amounts >> 128);
        (receipt.inputUnits, receipt.outputUnits) = (uint64(amounts >> 64), uint64(amounts));
        uint256 rest = uint256(_word(items, at + 96));
        (receipt.issuedAt, receipt.outcome) = (uint64(rest >> 192), uint8(rest >> 184));
        bool ended = receipt.outcome != uint8(Outcome.None) && receipt.outcome <= uint8(Outcome.Error);
        require(ended, SettlementBadReceipt(index, "outcome"));
        require(receipt.outcome != uint8(Outcome.Error) || receipt.charge == 0, SettlementBadReceipt(index, "charge"));
        if (receipt.issuedAt < trace.oldest) trace.oldest = receipt.issuedAt;
        if (receipt.issuedAt > trace.newest) trace.newest = receipt.issuedAt;

        bytes32 digest = CalldataDigest.receiptInMemory(receipt, DOMAIN);
        trace.digests[index] = digest;
        trace.leaves[index] = CalldataDigest.receiptLeaf(digest, _slice(items, at + ITEM, length));
    }

    /// One check of all proofs. Each statement must begin with the context of its own receipt; contexts differ, so a
    /// statement can stand for one receipt only.
    function _prove(Run calldata run, Trace memory trace, bytes calldata proofs, uint256[] calldata statements) private view {
        uint256 count = trace.next;
        uint256 width = statements.length / count;
        require(width != 0 && statements.length % count == 0, SettlementProofMissing(0));
        uint256 length = trace.signatureLength;
        for (uint256 i = 0; i < count; ++i) {
            uint256 rest = uint256(_word(run.items, length + i * (ITEM + length) + 96));
            uint256 place = uint16(rest >> 168);
            require(place < count, SettlementProofMissing(i));
            uint256 context = _context(trace.digests[i], run.modelId, run.terms.payout, uint64(rest >> 192));
            uint256 given = statements[place * width];
            require(given == context, SettlementProofContext(i, given, context));
        }
        bool proved = count == 1
            ? ROUTER.verify(run.modelId, proofs, statements)
            : ROUTER.verifyBatch(run.modelId, proofs, statements);
        require(proved, SettlementProofInvalid(0, run.modelId));
    }

    /// @dev Within bounds by the check of the items' length; a word may reach into what follows, which is cut off.
    function _word(bytes calldata items, uint256 at) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(add(items.offset, at))
        }
    }

    /// @dev The same as items[at:at + length], for what was checked before.
    function _slice(bytes calldata items, uint256 at, uint256 length) private pure returns (bytes calldata slice) {
        assembly ("memory-safe") {
            slice.offset := add(items.offset, at)
            slice.length := length
        }
    }
}
