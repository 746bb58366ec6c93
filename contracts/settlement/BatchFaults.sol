// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader, ChannelStretch} from "../types/Batch.sol";
import {Outcome, SettlementMode, Verification} from "../types/Enums.sol";
import {InferenceReceipt} from "../types/Receipt.sol";
import {Price, TariffLib} from "../types/Tariff.sol";
import {Terms} from "../types/Terms.sol";

/// @title What is wrong with a batch
/// @notice Pure rules over parts that were opened before. Each one is false for every part of a valid batch (S11), and for
/// every single field of a batch that is changed one of them is true, or an opening fails (S13).
/// WHY THE SUMS HOLD. Receipts inside of a stretch touch, its ends are its first and last receipts' ends, so `to - from` is the
/// sum of its charges; stretches continue each other's leaf range and running total, from zero to the header's count and total.
library BatchFaults {
    function wrongNode(BatchHeader memory header, InferenceReceipt memory receipt) internal pure returns (bool) {
        return receipt.nodeId != header.nodeId || receipt.keyId != header.keyId;
    }

    function outOfTime(BatchHeader memory header, InferenceReceipt memory receipt) internal pure returns (bool) {
        return receipt.issuedAt < header.minIssuedAt || receipt.issuedAt > header.maxIssuedAt;
    }

    function badOutcome(InferenceReceipt memory receipt) internal pure returns (bool) {
        bool known = receipt.outcome != uint8(Outcome.None) && receipt.outcome <= uint8(Outcome.Error);
        return !known || (receipt.outcome == uint8(Outcome.Error) && receipt.charge != 0);
    }

    /// @param left The leaf before `right`.
    function order(InferenceReceipt memory left, InferenceReceipt memory right) internal pure returns (bool) {
        if (left.paymentId != right.paymentId) return left.paymentId > right.paymentId;
        return right.cumulativeBefore < end(left) || right.sequence <= left.sequence;
    }

    function stretchShape(BatchHeader memory header, ChannelStretch memory stretch) internal pure returns (bool) {
        bool outside = uint256(stretch.firstLeaf) + stretch.leafCount > header.count;
        return stretch.leafCount == 0 || stretch.to < stretch.from || outside;
    }

    /// @param index Of the receipt; other places than the stretch's ends say nothing here.
    function stretchEnd(ChannelStretch memory stretch, InferenceReceipt memory receipt, uint256 index) internal pure returns (bool) {
        bool first = index == stretch.firstLeaf;
        bool last = index + 1 == uint256(stretch.firstLeaf) + stretch.leafCount;
        if (!first && !last) return false;
        if (receipt.paymentId != stretch.paymentId) return true;
        return (first && receipt.cumulativeBefore != stretch.from) || (last && end(receipt) != stretch.to);
    }

    /// @param index Of `left`; `right` is the next one.
    function stretchInside(ChannelStretch memory stretch, InferenceReceipt memory left, InferenceReceipt memory right, uint256 index)
        internal
        pure
        returns (bool)
    {
        bool inside = index >= stretch.firstLeaf && index + 1 < uint256(stretch.firstLeaf) + stretch.leafCount;
        return inside && (left.paymentId != right.paymentId || right.cumulativeBefore != end(left));
    }

    /// @param left The stretch before `right`.
    function stretchLink(ChannelStretch memory left, ChannelStretch memory right) internal pure returns (bool) {
        if (left.paymentId > right.paymentId) return true;
        // Touching stretches of one payment are one stretch: there is one way to cut a batch.
        if (left.paymentId == right.paymentId && right.from <= left.to) return true;
        if (right.firstLeaf != uint256(left.firstLeaf) + left.leafCount) return true;
        return right.to < right.from || right.prefixTotal != uint256(left.prefixTotal) + (right.to - right.from);
    }

    function stretchTotal(BatchHeader memory header, ChannelStretch memory stretch, uint256 index) internal pure returns (bool) {
        if (index == 0 && (stretch.firstLeaf != 0 || stretch.to < stretch.from || stretch.prefixTotal != stretch.to - stretch.from)) {
            return true;
        }
        bool last = index + 1 == header.channels;
        bool complete = uint256(stretch.firstLeaf) + stretch.leafCount == header.count && stretch.prefixTotal == header.totalCharge;
        return last && !complete;
    }

    /// Parts of one payment's line that two headers both cover.
    function overlap(ChannelStretch memory here, ChannelStretch memory there) internal pure returns (bool) {
        return here.paymentId == there.paymentId && here.from < there.to && there.from < here.to;
    }

    /// @param nodePolicy Image policy of the header's node.
    function wrongTerms(BatchHeader memory header, Terms memory terms, bytes32 nodePolicy) internal pure returns (bool) {
        if (terms.nodeId != header.nodeId) return true;
        if (terms.verification == uint8(Verification.None) || terms.verification > uint8(Verification.Vanilla)) return true;
        // Proofs are verified one by one; a vanilla header's receipts are all in the posting call.
        if (terms.verification == uint8(Verification.Zkml) || terms.verification == uint8(Verification.TeeAndZkml)) return true;
        bool batched = terms.settlementMode == uint8(SettlementMode.Batch);
        bool single = terms.settlementMode == uint8(SettlementMode.Individual) && terms.verification == uint8(Verification.Vanilla);
        if (!batched && !single) return true;
        return terms.verification == uint8(Verification.Tee) && terms.policyId != nodePolicy;
    }

    function overcharge(InferenceReceipt memory receipt, Price memory price) internal pure returns (bool) {
        return receipt.charge > TariffLib.mostFor(price, receipt.inputUnits, receipt.outputUnits);
    }

    /// @param to What the model version names.
    /// @param bps Same.
    function royalty(Terms memory terms, address to, uint16 bps) internal pure returns (bool) {
        return terms.royaltyTo != to || terms.royaltyBps != bps;
    }

    /// Whether two receipts of one node exclude each other.
    function equivocates(InferenceReceipt memory a, InferenceReceipt memory b) internal pure returns (bool) {
        if (a.nodeId != b.nodeId || a.paymentId != b.paymentId) return false;
        if (a.sequence == b.sequence) return true;
        bool charges = a.charge != 0 && b.charge != 0;
        return charges && a.cumulativeBefore < end(b) && b.cumulativeBefore < end(a);
    }

    /// @return End of a receipt's interval; wide, since nothing was checked yet.
    function end(InferenceReceipt memory receipt) internal pure returns (uint256) {
        return uint256(receipt.cumulativeBefore) + receipt.charge;
    }
}
