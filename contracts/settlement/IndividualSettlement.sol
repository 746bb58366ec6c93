// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {ISignatureChecker} from "../interfaces/ISignatureChecker.sol";
import {IVerifierRouter} from "../interfaces/IVerifierRouter.sol";
import {CalldataDigest} from "../libraries/CalldataDigest.sol";
import {PositionalTree} from "../libraries/PositionalTree.sol";
import {BatchHeader, BatchLib, ChannelStretch} from "../types/Batch.sol";
import {BatchStatus, Outcome, SettlementMode, Verification} from "../types/Enums.sol";
import {InferenceReceipt} from "../types/Receipt.sol";
import {SettleItem, Settlement, SettlementParams} from "../types/Settlement.sol";
import {SigningKey} from "../types/SigningKey.sol";
import {Terms} from "../types/Terms.sol";
import {SettlementCore} from "./SettlementCore.sol";

/// @title Headers whose receipts are all verified in the posting call
/// @notice A part of InferenceSettlement, which deploys it and runs it in its own storage: together they pass the size of one
/// contract. The same roots as a batch's, computed here instead of believed: certificates, escrow and inclusion proofs see no
/// difference between an individual settlement and a batch.
contract IndividualSettlement is SettlementCore {
    /// What is carried from one receipt to the next.
    struct Walk {
        SigningKey key;
        bytes16 policyPrefix; // of the key's image
        bytes32[] termsHashes;
        bytes32[] leaves;
        bytes32[] stretchLeaves;
        ChannelStretch stretch; // the open one
        uint256 stretches; // closed and open ones
        uint128 total;
        uint64 nextSequence; // of the open payment
        bool vanilla;
    }

    /// Whose storage this is meant for: a header settled in the part's own means nothing and is refused.
    address public immutable SETTLEMENT;

    constructor(
        address authority,
        INodeRegistry registry,
        ISignatureChecker signatures,
        IVerifierRouter router,
        SettlementParams memory params_,
        bytes32 domain
    ) AccessManaged(authority) SettlementCore(registry, signatures, router, params_, domain) {
        SETTLEMENT = msg.sender;
    }

    /// @notice See IInferenceSettlement.settle.
    function settle(Settlement calldata settlement) external whenOpen returns (bytes32 hash) {
        require(address(this) == SETTLEMENT, SettlementIsPart(SETTLEMENT));
        BatchHeader calldata header = settlement.header;
        hash = CalldataDigest.header(header, DOMAIN);
        Walk memory walk;
        (walk.key, walk.policyPrefix) = _accept(header, settlement.signature, hash, _oldest(MAX_AGE), uint64(block.timestamp));
        _verifyItems(settlement, walk);

        if (walk.vanilla) {
            _post(header, hash, settlement.fullBond);
            return hash;
        }
        _keep(header.nodeId, header.prevHeader, hash, BatchStatus.Final, false);
        if (header.channels == 1) {
            ChannelStretch memory only = walk.stretch;
            emit StretchSettled(hash, header.nodeId, only.paymentId, header.nonce, header.channelsRoot, only.to, walk.nextSequence);
        } else {
            emit HeaderSettled(hash, header.nodeId, header.nonce, header.channelsRoot);
        }
    }

    function _verifyItems(Settlement calldata settlement, Walk memory walk) private {
        BatchHeader calldata header = settlement.header;
        uint256 count = settlement.items.length;
        require(count == header.count, SettlementCountMismatch("items", count, header.count));
        walk.termsHashes = new bytes32[](settlement.terms.length);
        for (uint256 i = 0; i < settlement.terms.length; ++i) walk.termsHashes[i] = CalldataDigest.terms(settlement.terms[i]);
        walk.leaves = new bytes32[](count);
        walk.stretchLeaves = new bytes32[](header.channels);

        for (uint256 i = 0; i < count; ++i) {
            SettleItem calldata item = settlement.items[i];
            _checkReceipt(header, item.receipt, i);
            _place(settlement, walk, item.receipt, i);
            bytes32 digest = CalldataDigest.receipt(item.receipt, DOMAIN);
            require(_signed(walk.key, digest, item.signature), SettlementBadReceiptSignature(i, digest));
            walk.leaves[i] = CalldataDigest.receiptLeaf(digest, item.signature);
            _checkEvidence(settlement, walk, item, digest, i);
        }
        _closeStretch(header, walk);

        require(walk.stretches == header.channels, SettlementCountMismatch("channels", walk.stretches, header.channels));
        require(walk.stretches == settlement.places.length, SettlementCountMismatch("places", settlement.places.length, walk.stretches));
        require(walk.total == header.totalCharge, SettlementTotalMismatch(header.totalCharge, walk.total));
        bytes32 root = PositionalTree.rootOf(walk.leaves);
        require(root == header.receiptsRoot, SettlementRootMismatch("receipts", header.receiptsRoot, root));
        root = PositionalTree.rootOf(walk.stretchLeaves);
        require(root == header.channelsRoot, SettlementRootMismatch("channels", header.channelsRoot, root));
    }

    function _checkReceipt(BatchHeader calldata header, InferenceReceipt calldata receipt, uint256 index) private pure {
        require(receipt.nodeId == header.nodeId, SettlementBadReceipt(index, "nodeId"));
        require(receipt.keyId == header.keyId, SettlementBadReceipt(index, "keyId"));
        bool inside = receipt.issuedAt >= header.minIssuedAt && receipt.issuedAt <= header.maxIssuedAt;
        require(inside, SettlementBadReceipt(index, "issuedAt"));
        bool ended = receipt.outcome != uint8(Outcome.None) && receipt.outcome <= uint8(Outcome.Error);
        require(ended, SettlementBadReceipt(index, "outcome"));
        require(receipt.outcome != uint8(Outcome.Error) || receipt.charge == 0, SettlementBadReceipt(index, "charge"));
    }

    /// Order, the payment's watermark, and the stretch that the receipt continues or begins.
    function _place(Settlement calldata settlement, Walk memory walk, InferenceReceipt calldata receipt, uint256 index) private {
        ChannelStretch memory stretch = walk.stretch;
        bool samePayment = index != 0 && receipt.paymentId == stretch.paymentId;
        if (!samePayment) {
            require(index == 0 || receipt.paymentId > stretch.paymentId, SettlementOrder(index));
            _closeLine(settlement.header, walk);
            _requireNew(index, receipt.nodeId, receipt.paymentId, receipt.cumulativeBefore, receipt.sequence);
        } else {
            require(receipt.cumulativeBefore >= stretch.to && receipt.sequence >= walk.nextSequence, SettlementOrder(index));
        }
        uint128 end = receipt.cumulativeBefore + receipt.charge;
        walk.total += receipt.charge;
        walk.nextSequence = receipt.sequence + 1;

        if (!samePayment || receipt.cumulativeBefore != stretch.to) {
            if (index != 0) _sealStretch(settlement.header, walk);
            require(walk.stretches < settlement.places.length, SettlementCountMismatch("places", settlement.places.length, walk.stretches + 1));
            stretch.paymentChainId = settlement.places[walk.stretches].paymentChainId;
            stretch.escrow = settlement.places[walk.stretches].escrow;
            stretch.paymentId = receipt.paymentId;
            stretch.from = receipt.cumulativeBefore;
            stretch.firstLeaf = uint32(index);
            stretch.leafCount = 0;
            ++walk.stretches;
        }
        stretch.to = end;
        ++stretch.leafCount;
        stretch.prefixTotal = walk.total;
    }

    /// What the terms ask for: settlement mode, image policy, a proof.
    function _checkEvidence(Settlement calldata settlement, Walk memory walk, SettleItem calldata item, bytes32 digest, uint256 index)
        private
    {
        require(item.terms < walk.termsHashes.length, SettlementBadTerms(index, "terms"));
        require(walk.termsHashes[item.terms] == item.receipt.termsHash, SettlementBadTerms(index, "termsHash"));
        Terms calldata terms = settlement.terms[item.terms];
        require(terms.nodeId == item.receipt.nodeId, SettlementBadTerms(index, "nodeId"));
        require(terms.settlementMode != uint8(SettlementMode.Private), SettlementBadTerms(index, "settlementMode"));

        Verification method = _method(terms.verification, index);
        if (method == Verification.Vanilla) {
            walk.vanilla = true;
            return;
        }
        if (method != Verification.Zkml) {
            require(bytes16(terms.policyId) == walk.policyPrefix, SettlementBadTerms(index, "policyId"));
        }
        // An error gives no answer and takes no money: there is nothing that a proof could be about.
        if (method == Verification.Tee || item.receipt.outcome == uint8(Outcome.Error)) return;

        require(item.proof.length != 0 && item.publicInputs.length != 0, SettlementProofMissing(index));
        uint256 context = _context(digest, item.receipt.modelId, terms.payout, item.receipt.issuedAt);
        require(item.publicInputs[0] == context, SettlementProofContext(index, item.publicInputs[0], context));
        bool proved = ROUTER.verify(item.receipt.modelId, item.proof, item.publicInputs);
        require(proved, SettlementProofInvalid(index, item.receipt.modelId));
        emit ProofVerified(digest, item.receipt.modelId, keccak256(abi.encode(item.publicInputs)));
    }

    /// Ends the last payment and its last stretch.
    function _closeStretch(BatchHeader calldata header, Walk memory walk) private {
        _closeLine(header, walk);
        _sealStretch(header, walk);
    }

    /// Writes the watermark of the open payment, if there is one.
    function _closeLine(BatchHeader calldata header, Walk memory walk) private {
        if (walk.stretches == 0) return;
        bytes32 paymentId = walk.stretch.paymentId;
        _setLine(_lineKey(header.nodeId, paymentId), walk.stretch.to, walk.nextSequence);
        // A settled header of one stretch says it in its own event. It has one line, so all receipts were read by now.
        if (walk.vanilla || header.channels != 1) emit LineSettled(header.nodeId, paymentId, walk.stretch.to, walk.nextSequence);
    }

    function _sealStretch(BatchHeader calldata header, Walk memory walk) private pure {
        require(walk.stretches <= header.channels, SettlementCountMismatch("channels", walk.stretches, header.channels));
        walk.stretchLeaves[walk.stretches - 1] = BatchLib.stretchLeaf(walk.stretch);
    }

    function _method(uint8 verification, uint256 index) private pure returns (Verification) {
        bool known = verification != uint8(Verification.None) && verification <= uint8(Verification.Vanilla);
        require(known, SettlementBadTerms(index, "verification"));
        return Verification(verification);
    }
}
