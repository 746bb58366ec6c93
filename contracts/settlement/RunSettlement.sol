// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {PackedRun, PackedRunLib} from "../libraries/PackedRun.sol";
import {PositionalTree} from "../libraries/PositionalTree.sol";
import {RunFrame, RunFrameLib} from "../libraries/RunFrame.sol";
import {BatchStatus, Outcome, SettlementMode, Verification} from "../types/Enums.sol";
import {SigningKey} from "../types/SigningKey.sol";
import {SettlementCore} from "./SettlementCore.sol";

/// @title Individual settlement without what follows from the rest
/// @notice The same headers, tables and events as `settle`, for the common case: one key, one model, one set of terms. What the
/// receipts share is given once; roots, sums, times and the place in the node's chain are computed. The node signs the very
/// header that comes out, so a wrong part of a call ends as a bad signature.
/// @dev PackedRun is where things stand in calldata, RunFrame what is hashed; checks, state and events are here.
abstract contract RunSettlement is IInferenceSettlement, SettlementCore {
    /// What is carried from one receipt to the next.
    struct Trace {
        bytes32[] digests;
        bytes32[] leaves;
        uint256 next; // receipt
        uint256 item; // where it stands in calldata
        uint256 total;
        uint256 oldest;
        uint256 newest;
        // Of the last stretch:
        bytes32 paymentId;
        uint256 end;
        uint256 sequence;
    }

    /// @inheritdoc IInferenceSettlement
    function settleRun(bytes calldata run) external override whenOpen returns (bytes32 hash) {
        PackedRun packed = PackedRunLib.open(run);
        require(packed.verification() == uint8(Verification.Tee), SettlementBadTerms(0, "verification"));
        (hash,) = _settleRun(packed);
    }

    /// @inheritdoc IInferenceSettlement
    function settleProvedRun(bytes calldata run, bytes calldata proofs, uint256[] calldata statements)
        external
        override
        whenOpen
        returns (bytes32 hash)
    {
        PackedRun packed = PackedRunLib.open(run);
        uint8 method = packed.verification();
        bool proves = method == uint8(Verification.Zkml) || method == uint8(Verification.TeeAndZkml);
        require(proves, SettlementBadTerms(0, "verification"));
        bytes32[] memory digests;
        (hash, digests) = _settleRun(packed);
        _prove(packed, digests, proofs, statements);
        emit ProofsVerified(hash, packed.modelId(), digests.length, keccak256(abi.encodePacked(statements)));
    }

    /// Everything but proofs.
    function _settleRun(PackedRun run) private returns (bytes32 hash, bytes32[] memory digests) {
        require(run.settlementMode() != uint8(SettlementMode.Private), SettlementBadTerms(0, "settlementMode"));
        Trace memory trace;
        RunFrame frame = RunFrameLib.open(run, DOMAIN);
        bytes32 channelsRoot = _read(run, frame, trace);
        (uint64 oldest, uint64 newest) = (uint64(trace.oldest), uint64(trace.newest));
        _requireAge(oldest, newest, _oldest(MAX_AGE));

        digests = trace.digests;
        frame.sum(run, PositionalTree.rootOf(trace.leaves), channelsRoot, trace.total, oldest, newest);
        bytes32 nodeId = run.nodeId();
        uint64 nonce;
        bytes32 prevHeader;
        (hash, nonce, prevHeader) = _chain(nodeId, frame, run.slot());
        _keep(nodeId, prevHeader, hash, BatchStatus.Final, false);
        if (run.stretches() == 1) {
            emit StretchSettled(hash, nodeId, trace.paymentId, nonce, channelsRoot, uint128(trace.end), uint64(trace.sequence));
        } else {
            emit HeaderSettled(hash, nodeId, nonce, channelsRoot);
        }

        (SigningKey key, bytes16 policyPrefix) = _signer(nodeId, run.keyId(), oldest, newest, uint64(block.timestamp));
        require(_signed(key, hash, run.headerSignature()), SettlementBadHeaderSignature(hash));
        (uint256 item, uint256 stride) = (run.itemAt(0), run.stride());
        for (uint256 i = 0; i < digests.length; ++i) {
            bytes32 digest = digests[i];
            require(_signed(key, digest, run.signatureOf(item)), SettlementBadReceiptSignature(i, digest));
            unchecked {
                item += stride;
            }
        }
        if (run.verification() != uint8(Verification.Zkml)) {
            require(bytes16(run.policyId()) == policyPrefix, SettlementBadTerms(0, "policyId"));
        }
    }

    /// The header's place in its node's chain is the next one: there is nothing to compare (S2).
    /// @param slot Number of the slot that is to keep it.
    function _chain(bytes32 nodeId, RunFrame frame, uint64 slot) private returns (bytes32 hash, uint64 nonce, bytes32 prevHeader) {
        bytes24 previous;
        (nonce, previous) = _tipOf(nodeId);
        prevHeader = bytes32(previous) | bytes32(uint256(slot));
        hash = frame.header(++nonce, prevHeader);
        _setTip(nodeId, nonce, hash);
    }

    /// Receipts into digests, leaves and sums. Moves the lines.
    function _read(PackedRun run, RunFrame frame, Trace memory trace) private returns (bytes32 channelsRoot) {
        uint256 count = run.count();
        uint256 stretches = run.stretches();
        (trace.digests, trace.leaves) = (RunFrameLib.list(count), RunFrameLib.list(count));
        (trace.item, trace.oldest) = (run.itemAt(0), type(uint64).max);
        bytes32[] memory stretchLeaves = RunFrameLib.list(stretches);
        for (uint256 i = 0; i < stretches; ++i) stretchLeaves[i] = _readStretch(run, frame, trace, i);
        require(trace.next == count, SettlementCountMismatch("receipts", trace.next, count));
        require(trace.total <= type(uint128).max, SettlementBadHeader("totalCharge"));
        return PositionalTree.rootOf(stretchLeaves);
    }

    /// One payment's receipts: its watermark, then each receipt where the one before ended.
    /// @return The stretch's leaf.
    function _readStretch(PackedRun run, RunFrame frame, Trace memory trace, uint256 index) private returns (bytes32) {
        uint256 at = run.stretchAt(index);
        (bytes32 paymentId, uint256 count, uint256 from, uint256 sequence) = PackedRunLib.stretch(at);
        uint256 first = trace.next;
        require(count != 0 && (index == 0 || paymentId > trace.paymentId), SettlementOrder(first));
        require(count <= run.count() - first, SettlementCountMismatch("receipts", first + count, run.count()));
        bytes32 nodeId = run.nodeId();
        bytes32 line = _requireNew(first, nodeId, paymentId, uint128(from), uint64(sequence));

        frame.pay(paymentId);
        uint256 end = _readReceipts(run, frame, trace, first + count, from, sequence);
        unchecked {
            // Both grew from one receipt to the next, by less than 2^160 in all: if they fit at the end, they fitted before.
            sequence += count;
            trace.total += end - from;
        }
        bool fits = end <= type(uint128).max && sequence <= type(uint64).max;
        require(fits, SettlementBadReceipt(trace.next - 1, "charge"));
        (trace.paymentId, trace.end, trace.sequence) = (paymentId, end, sequence);
        _setLine(line, uint128(end), uint64(sequence));
        // One event says it together with the header.
        if (run.stretches() != 1) emit LineSettled(nodeId, paymentId, uint128(end), uint64(sequence));
        return frame.stretchLeaf(at, end, first, trace.total);
    }

    /// Receipts up to `last`, each beginning at the end of the one before.
    /// @return End of the last one.
    function _readReceipts(PackedRun run, RunFrame frame, Trace memory trace, uint256 last, uint256 end, uint256 sequence)
        private
        pure
        returns (uint256)
    {
        (uint256 index, uint256 item, uint256 stride) = (trace.next, trace.item, run.stride());
        for (; index < last; ++index) {
            (uint256 charge, uint256 issuedAt, uint256 outcome) = PackedRunLib.item(item);
            bool ended = outcome != uint8(Outcome.None) && outcome <= uint8(Outcome.Error);
            require(ended, SettlementBadReceipt(index, "outcome"));
            require(outcome != uint8(Outcome.Error) || charge == 0, SettlementBadReceipt(index, "charge"));
            if (issuedAt < trace.oldest) trace.oldest = issuedAt;
            if (issuedAt > trace.newest) trace.newest = issuedAt;

            bytes32 digest = frame.receipt(item, end, sequence);
            trace.digests[index] = digest;
            trace.leaves[index] = frame.receiptLeaf(digest, run.signatureOf(item));
            unchecked {
                // 2^32 charges of less than 2^128 each, and sequences from less than 2^64 on; the caller looks where they ended.
                (end, sequence, item) = (end + charge, sequence + 1, item + stride);
            }
        }
        (trace.next, trace.item) = (index, item);
        return end;
    }

    /// One check of all proofs. Each statement must begin with the context of its own receipt; contexts differ, so a
    /// statement can stand for one receipt only.
    function _prove(PackedRun run, bytes32[] memory digests, bytes calldata proofs, uint256[] calldata statements) private view {
        uint256 count = digests.length;
        uint256 width = statements.length / count;
        require(width != 0 && statements.length % count == 0, SettlementProofMissing(0));
        (bytes32 modelId, address payout) = (run.modelId(), run.payout());
        for (uint256 i = 0; i < count; ++i) {
            (uint64 issuedAt, uint256 place) = PackedRunLib.statementOf(run.itemAt(i));
            require(place < count, SettlementProofMissing(i));
            uint256 context = _context(digests[i], modelId, payout, issuedAt);
            uint256 given = statements[place * width];
            require(given == context, SettlementProofContext(i, given, context));
        }
        // Asked itself: many proofs are not copied through the router.
        IGroth16Verifier verifier = ROUTER.verifierFor(modelId);
        bool proved = count == 1 ? verifier.verify(proofs, statements) : verifier.verifyBatch(proofs, statements);
        require(proved, SettlementProofInvalid(0, modelId));
    }
}
