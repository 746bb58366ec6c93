// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    CourtParams, EdgeProof, FaultOpening, IFaultCourt, InsideProof, LeafPair, OutputProof, OverlapProof, StretchPair, TariffProof, TermsProof
} from "../interfaces/IFaultCourt.sol";
import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IVerifierRouter} from "../interfaces/IVerifierRouter.sol";
import {Openings} from "../libraries/Openings.sol";
import {WordAnswers} from "../libraries/WordAnswers.sol";
import {BatchHeader, BatchLib} from "../types/Batch.sol";
import {BatchStatus, Outcome, ProgramKind, Verification} from "../types/Enums.sol";
import {FaultKind, LeafProof, StretchProof} from "../types/Faults.sol";
import {InferenceReceipt, ReceiptLib} from "../types/Receipt.sol";
import {TariffLib} from "../types/Tariff.sol";
import {Terms, TermsLib} from "../types/Terms.sol";
import {BatchFaults} from "./BatchFaults.sol";

/// @title Faults
contract FaultCourt is IFaultCourt {
    INodeRegistry public immutable REGISTRY;
    IInferenceSettlement public immutable SETTLEMENT;
    IModelRegistry public immutable MODELS;
    IVerifierRouter public immutable ROUTER;
    bytes32 private immutable DOMAIN;
    bytes32 private constant OUTPUT_TAG = keccak256("opengradient.output-fault.v1");
    /// Set-up level that convicts. See IGroth16Keys.
    uint8 private constant CEREMONY = 2;
    /// In place of the commitment's block, once its fault was proved.
    uint256 private constant PROVED = type(uint256).max;

    CourtParams private _params;
    mapping(bytes32 commitment => uint256) private _commitments;
    mapping(bytes32 keyId => bool) private _slashed;

    constructor(
        INodeRegistry registry,
        IInferenceSettlement settlement,
        IModelRegistry models,
        IVerifierRouter router,
        CourtParams memory params_
    ) {
        require(address(registry) != address(0), FaultCourtBadParams("registry"));
        require(address(settlement) != address(0) && settlement.isArbiter(address(this)), FaultCourtBadParams("settlement"));
        require(address(models) != address(0), FaultCourtBadParams("models"));
        require(address(router) != address(0), FaultCourtBadParams("router"));
        require(params_.revealBlocks != 0, FaultCourtBadParams("revealBlocks"));
        require(params_.evidenceTime != 0 && params_.equivocationBond != 0, FaultCourtBadParams("evidenceTime"));
        (REGISTRY, SETTLEMENT, MODELS, ROUTER) = (registry, settlement, models, router);
        DOMAIN = settlement.domainSeparator();
        _params = params_;
    }

    /// @inheritdoc IFaultCourt
    function commit(bytes32 commitment) external override {
        require(_commitments[commitment] == 0, FaultCourtKnown(commitment));
        _commitments[commitment] = block.number;
        emit FaultCommitted(commitment, msg.sender);
    }

    /// @inheritdoc IFaultCourt
    function prove(BatchHeader calldata header, FaultKind kind, bytes calldata evidence, bytes32 salt) external override {
        bytes32 headerHash = BatchLib.digest(header, DOMAIN);
        bytes32 commitment = keccak256(abi.encode(msg.sender, headerHash, kind, keccak256(evidence), salt));
        uint256 since = _commitments[commitment];
        require(since != 0 && since != PROVED, FaultCourtNoCommitment(commitment));
        require(block.number > since, FaultCourtTooEarly(block.number, since + 1));
        require(block.number <= since + _params.revealBlocks, FaultCourtTooLate(block.number, since + _params.revealBlocks));

        require(check(header, kind, evidence), FaultCourtNoFault(kind));
        _commitments[commitment] = PROVED;
        emit FaultProved(headerHash, kind, msg.sender);
        if (kind == FaultKind.WrongOutput && _contradicts(header, evidence)) return;
        SETTLEMENT.reject(header, uint8(kind), msg.sender);
    }

    /// @inheritdoc IFaultCourt
    function proveReceiptEquivocation(
        InferenceReceipt calldata first,
        bytes calldata firstSignature,
        InferenceReceipt calldata second,
        bytes calldata secondSignature
    ) external override {
        bytes32 a = ReceiptLib.digest(first, DOMAIN);
        bytes32 b = ReceiptLib.digest(second, DOMAIN);
        require(a != b && BatchFaults.equivocates(first, second), FaultCourtNoFault(FaultKind.None));
        uint64 issuedAt = first.issuedAt < second.issuedAt ? second.issuedAt : first.issuedAt;
        _checkSigned(first.nodeId, first.keyId, a, firstSignature);
        _checkSigned(second.nodeId, second.keyId, b, secondSignature);
        _slashEquivocation(second.nodeId, second.keyId, a, b, issuedAt);
    }

    /// @inheritdoc IFaultCourt
    function proveHeaderEquivocation(
        BatchHeader calldata first,
        bytes calldata firstSignature,
        BatchHeader calldata second,
        bytes calldata secondSignature
    ) external override {
        bytes32 a = BatchLib.digest(first, DOMAIN);
        bytes32 b = BatchLib.digest(second, DOMAIN);
        bool same = first.nodeId == second.nodeId && first.nonce == second.nonce;
        require(a != b && same, FaultCourtNoFault(FaultKind.None));
        uint64 issuedAt = first.maxIssuedAt < second.maxIssuedAt ? second.maxIssuedAt : first.maxIssuedAt;
        _checkSigned(first.nodeId, first.keyId, a, firstSignature);
        _checkSigned(second.nodeId, second.keyId, b, secondSignature);
        _slashEquivocation(second.nodeId, second.keyId, a, b, issuedAt);
    }

    /// @inheritdoc IFaultCourt
    function outputContext(bytes32 receiptDigest, address reporter) public view override returns (uint256) {
        return uint256(keccak256(abi.encode(OUTPUT_TAG, block.chainid, address(this), receiptDigest, reporter))) & ((1 << 248) - 1);
    }

    /// @inheritdoc IFaultCourt
    function commitmentBlock(bytes32 commitment) external view override returns (uint256) {
        return _commitments[commitment];
    }

    /// @inheritdoc IFaultCourt
    function isProved(address reporter, bytes32 headerHash, FaultOpening calldata opening) external view override returns (bool) {
        bytes32 commitment = keccak256(abi.encode(reporter, headerHash, opening.kind, opening.evidenceHash, opening.salt));
        return _commitments[commitment] == PROVED;
    }

    /// @inheritdoc IFaultCourt
    function params() external view override returns (CourtParams memory) {
        return _params;
    }

    /// @inheritdoc IFaultCourt
    function check(BatchHeader calldata header, FaultKind kind, bytes calldata evidence) public view override returns (bool) {
        if (kind >= FaultKind.BadSignature && kind <= FaultKind.BadOutcome) return _checkLeaf(header, kind, evidence);
        if (kind == FaultKind.Order) return _checkOrder(header, abi.decode(evidence, (LeafPair)));
        if (kind >= FaultKind.StretchShape && kind <= FaultKind.StretchTotal) return _checkStretch(header, kind, evidence);
        if (kind == FaultKind.Overlap) return _checkOverlap(header, abi.decode(evidence, (OverlapProof)));
        if (kind == FaultKind.Overcharge) return _checkTariff(header, abi.decode(evidence, (TariffProof)));
        if (kind == FaultKind.WrongOutput) return _checkOutput(header, abi.decode(evidence, (OutputProof)));
        require(kind == FaultKind.WrongTerms || kind == FaultKind.Royalty, FaultCourtUnknownKind(kind));
        TermsProof memory proof = abi.decode(evidence, (TermsProof));
        _openTerms(header, proof.leaf, proof.terms);
        if (kind == FaultKind.WrongTerms) return BatchFaults.wrongTerms(header, proof.terms, REGISTRY.policyOf(header.nodeId));
        (address to, uint16 bps) = MODELS.royaltyOf(proof.leaf.receipt.modelId);
        return BatchFaults.royalty(proof.terms, to, bps);
    }

    function _checkLeaf(BatchHeader calldata header, FaultKind kind, bytes calldata evidence) private view returns (bool) {
        LeafProof memory leaf = abi.decode(evidence, (LeafProof));
        bytes32 digest = _openLeaf(header, leaf);
        if (kind == FaultKind.BadSignature) return !REGISTRY.verifySignature(header.keyId, digest, leaf.signature);
        if (kind == FaultKind.WrongNode) return BatchFaults.wrongNode(header, leaf.receipt);
        if (kind == FaultKind.OutOfTime) return BatchFaults.outOfTime(header, leaf.receipt);
        return BatchFaults.badOutcome(leaf.receipt);
    }

    function _checkOrder(BatchHeader calldata header, LeafPair memory pair) private view returns (bool) {
        _openLeaf(header, pair.left);
        _openLeaf(header, pair.right);
        return pair.right.index == pair.left.index + 1 && BatchFaults.order(pair.left.receipt, pair.right.receipt);
    }

    function _checkStretch(BatchHeader calldata header, FaultKind kind, bytes calldata evidence) private view returns (bool) {
        if (kind == FaultKind.StretchEnd) {
            EdgeProof memory edge = abi.decode(evidence, (EdgeProof));
            Openings.stretch(header, edge.stretch);
            _openLeaf(header, edge.leaf);
            return BatchFaults.stretchEnd(edge.stretch.stretch, edge.leaf.receipt, edge.leaf.index);
        }
        if (kind == FaultKind.StretchInside) {
            InsideProof memory inside = abi.decode(evidence, (InsideProof));
            Openings.stretch(header, inside.stretch);
            _openLeaf(header, inside.left);
            _openLeaf(header, inside.right);
            bool neighbours = inside.right.index == inside.left.index + 1;
            return neighbours
                && BatchFaults.stretchInside(inside.stretch.stretch, inside.left.receipt, inside.right.receipt, inside.left.index);
        }
        if (kind == FaultKind.StretchLink) {
            StretchPair memory pair = abi.decode(evidence, (StretchPair));
            Openings.stretch(header, pair.left);
            Openings.stretch(header, pair.right);
            return pair.right.index == pair.left.index + 1 && BatchFaults.stretchLink(pair.left.stretch, pair.right.stretch);
        }
        StretchProof memory proof = abi.decode(evidence, (StretchProof));
        Openings.stretch(header, proof);
        if (kind == FaultKind.StretchShape) return BatchFaults.stretchShape(header, proof.stretch);
        return BatchFaults.stretchTotal(header, proof.stretch, proof.index);
    }

    /// The other header must stand: what was rejected covers nothing, and a repost repeats what it mends. It must also be the
    /// elder: else a node could take back a certified header by a later one, and its honest checkers would pay.
    function _checkOverlap(BatchHeader calldata header, OverlapProof memory proof) private view returns (bool) {
        if (proof.other.nonce >= header.nonce || proof.other.nodeId != header.nodeId) return false;
        BatchStatus status = SETTLEMENT.status(proof.other);
        bool stands = status == BatchStatus.Posted || status == BatchStatus.Certified || status == BatchStatus.Final;
        Openings.stretch(header, proof.here);
        Openings.stretch(proof.other, proof.there);
        return stands && BatchFaults.overlap(proof.here.stretch, proof.there.stretch);
    }

    function _checkTariff(BatchHeader calldata header, TariffProof memory proof) private view returns (bool) {
        _openTerms(header, proof.leaf, proof.terms);
        bytes32 tariff = TariffLib.tariffHash(proof.chainId, proof.token, proof.priceHashes);
        require(tariff == proof.terms.tariffHash, FaultCourtTermsMismatch(tariff, proof.terms.tariffHash));
        require(proof.index < proof.priceHashes.length, FaultCourtPriceMismatch(bytes32(proof.index), tariff));
        bytes32 price = TariffLib.hash(proof.price);
        require(price == proof.priceHashes[proof.index], FaultCourtPriceMismatch(price, proof.priceHashes[proof.index]));
        return proof.price.modelId == proof.leaf.receipt.modelId && BatchFaults.overcharge(proof.leaf.receipt, proof.price);
    }

    /// A request in words has one right answer, and its commitment can be computed: another one is wrong.
    function _checkOutput(BatchHeader calldata header, OutputProof memory proof) private view returns (bool) {
        _openTerms(header, proof.leaf, proof.terms);
        InferenceReceipt memory receipt = proof.leaf.receipt;
        (address verifier, ProgramKind kind,) = MODELS.verifierOf(receipt.modelId);
        require(kind == ProgramKind.Int && verifier != address(0), FaultCourtNoRightOutput(receipt.modelId));
        uint8 level = IGroth16Verifier(verifier).setupLevel();
        require(level >= CEREMONY, FaultCourtSetupLevel(receipt.modelId, level));

        uint256[] memory words = proof.publicInputs;
        require(proof.inputs != 0 && proof.inputs < type(uint16).max && words.length > proof.inputs + 1, FaultCourtProofInvalid(receipt.modelId));
        bytes32 request = WordAnswers.requestHash(proof.salt, proof.model, words, 1, proof.inputs + 1);
        require(request == receipt.requestHash, FaultCourtRequestMismatch(request, receipt.requestHash));
        uint256 context = outputContext(ReceiptLib.digest(receipt, DOMAIN), msg.sender);
        require(words[0] == context, FaultCourtContext(words[0], context));
        // The router refuses a frozen version: what is in doubt convicts nobody.
        require(ROUTER.verify(receipt.modelId, proof.proof, words), FaultCourtProofInvalid(receipt.modelId));

        bytes32 right = WordAnswers.responseHash(proof.salt, words, proof.inputs + 1, words.length);
        return receipt.outcome == uint8(Outcome.Complete) && receipt.responseHash != right;
    }

    /// Attested image and proof disagree: freezes the version and voids the header. @return Whether they do.
    function _contradicts(BatchHeader calldata header, bytes calldata evidence) private returns (bool) {
        OutputProof memory proof = abi.decode(evidence, (OutputProof));
        uint8 method = proof.terms.verification;
        if (method != uint8(Verification.Tee) && method != uint8(Verification.TeeAndZkml)) return false;
        ROUTER.freezeContradicted(proof.leaf.receipt.modelId);
        SETTLEMENT.void(header, uint8(FaultKind.WrongOutput));
        return true;
    }

    function _openTerms(BatchHeader calldata header, LeafProof memory leaf, Terms memory terms) private view {
        _openLeaf(header, leaf);
        bytes32 hash = TermsLib.hash(terms);
        require(hash == leaf.receipt.termsHash, FaultCourtTermsMismatch(hash, leaf.receipt.termsHash));
    }

    function _openLeaf(BatchHeader memory header, LeafProof memory proof) private view returns (bytes32 digest) {
        return Openings.receipt(header, proof, DOMAIN);
    }

    function _checkSigned(bytes32 nodeId, bytes32 keyId, bytes32 digest, bytes calldata signature) private view {
        bool signed = REGISTRY.key(keyId).nodeId == nodeId && REGISTRY.verifySignature(keyId, digest, signature);
        require(signed, FaultCourtNoFault(FaultKind.BadSignature));
    }

    /// Once per key epoch: one accident (a restored backup, two replicas) must not cost without end.
    function _slashEquivocation(bytes32 nodeId, bytes32 keyId, bytes32 first, bytes32 second, uint64 issuedAt) private {
        require(block.timestamp <= uint256(issuedAt) + _params.evidenceTime, FaultCourtTooOld(issuedAt, block.timestamp));
        require(!_slashed[keyId], FaultCourtAlreadySlashed(keyId));
        _slashed[keyId] = true;
        emit EquivocationProved(nodeId, keyId, msg.sender, first, second);
        REGISTRY.slash(nodeId, keyId, _params.equivocationBond, false, msg.sender);
    }
}
