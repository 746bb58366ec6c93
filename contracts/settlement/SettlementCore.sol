// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {ICommittee} from "../interfaces/ICommittee.sol";
import {Batch, IInferenceSettlement, SettlementParams} from "../interfaces/IInferenceSettlement.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {ISignatureChecker} from "../interfaces/ISignatureChecker.sol";
import {IVerifierRouter} from "../interfaces/IVerifierRouter.sol";
import {CalldataDigest} from "../libraries/CalldataDigest.sol";
import {NodeSignatures} from "../libraries/NodeSignatures.sol";
import {PositionalTree} from "../libraries/PositionalTree.sol";
import {ProtocolDomain} from "../libraries/ProtocolDomain.sol";
import {BatchHeader} from "../types/Batch.sol";
import {BatchStatus, KeyType, Role} from "../types/Enums.sol";
import {InferenceReceipt} from "../types/Receipt.sol";

/// @title Headers: their chain, their slot, their lock
abstract contract SettlementCore is IInferenceSettlement, AccessManaged {
    /// Last header of a node, in one slot. 192 bits of a hash are collision resistant to 2^96.
    struct Tip {
        uint64 nonce;
        bytes24 header;
    }

    /// What `settle` has taken of one payment.
    struct Line {
        uint128 settledTo;
        uint64 nextSequence;
    }

    /// A key of a header, checked against the header's times.
    struct Signer {
        KeyType keyType;
        address signer;
        bytes16 policyPrefix; // of the image policy under which the key was admitted
    }

    uint64 private constant CLOCK_SKEW = 30;
    uint64 private constant PAUSE = 7 days;
    bytes32 private constant PROOF_CONTEXT_TAG = keccak256("opengradient.proof-context.v1");

    INodeRegistry public immutable REGISTRY;
    ISignatureChecker public immutable SIGNATURES;
    IVerifierRouter public immutable ROUTER;
    ICommittee public immutable COMMITTEE;
    bytes32 internal immutable DOMAIN;
    uint64 internal immutable MAX_AGE;
    uint96 internal immutable MIN_LOCK;
    uint96 internal immutable BOND_PER_CHARGE;

    SettlementParams internal _params;
    uint64 private _pausedUntil;
    mapping(bytes32 headerHash => Batch) internal _batches;
    mapping(bytes32 nodeId => Tip) private _tips;
    mapping(bytes32 lineKey => Line) internal _lines;

    constructor(
        INodeRegistry registry,
        ISignatureChecker signatures,
        IVerifierRouter router,
        ICommittee committee,
        SettlementParams memory params_
    ) {
        require(address(registry) != address(0), SettlementBadParams("registry"));
        require(address(signatures) != address(0), SettlementBadParams("signatures"));
        require(address(router) != address(0), SettlementBadParams("router"));
        require(address(committee) != address(0), SettlementBadParams("committee"));
        require(params_.window != 0 && params_.windowBlocks != 0, SettlementBadParams("window"));
        // A demand that is opened at the last moment must be answerable inside of the extended window.
        require(params_.responseTime != 0 && params_.responseTime <= params_.window, SettlementBadParams("responseTime"));
        require(params_.certTime != 0 && params_.certTime <= params_.window, SettlementBadParams("certTime"));
        require(params_.repostTime != 0, SettlementBadParams("repostTime"));
        require(params_.maxAge != 0, SettlementBadParams("maxAge"));
        require(params_.minLock != 0 && params_.bondPerCharge != 0, SettlementBadParams("minLock"));
        (REGISTRY, SIGNATURES, ROUTER, COMMITTEE) = (registry, signatures, router, committee);
        (MAX_AGE, MIN_LOCK, BOND_PER_CHARGE) = (params_.maxAge, params_.minLock, params_.bondPerCharge);
        DOMAIN = ProtocolDomain.separator(block.chainid, address(this));
        _params = params_;
    }

    /// Intake only: what is posted goes its way whatever the guardian does.
    modifier whenOpen() {
        require(_pausedUntil <= block.timestamp, SettlementPaused(_pausedUntil));
        _;
    }

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
    function status(bytes32 headerHash_) external view override returns (BatchStatus) {
        return _batches[headerHash_].status;
    }

    /// @inheritdoc IInferenceSettlement
    function tip(bytes32 nodeId) external view override returns (uint64 nonce, bytes24 prevHeader) {
        return (_tips[nodeId].nonce, _tips[nodeId].header);
    }

    /// @inheritdoc IInferenceSettlement
    function line(bytes32 nodeId, bytes32 paymentId) external view override returns (uint128 settledTo, uint64 nextSequence) {
        Line storage entry = _lines[_lineKey(nodeId, paymentId)];
        return (entry.settledTo, entry.nextSequence);
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
        return _batches[CalldataDigest.header(header, DOMAIN)].status;
    }

    /// @inheritdoc IInferenceSettlement
    function proofContext(InferenceReceipt calldata receipt, address beneficiary) external view override returns (uint256) {
        return _proofContext(receipt, CalldataDigest.receipt(receipt, DOMAIN), beneficiary);
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
    function lockOf(uint128 totalCharge, bool fullBond) public view override returns (uint96) {
        uint256 exposure = uint256(totalCharge) * BOND_PER_CHARGE;
        uint256 amount = fullBond ? 2 * exposure : exposure / 10;
        if (amount < MIN_LOCK) return MIN_LOCK;
        require(amount <= type(uint96).max, SettlementBadHeader("totalCharge"));
        return uint96(amount);
    }

    /// Shape, times, key, signature and place in the node's chain: what every header passes.
    /// @param oldest Earliest issuedAt that is still taken.
    /// @param postedAt When the key's grace is asked for.
    function _accept(BatchHeader calldata header, bytes calldata signature, bytes32 hash, uint64 oldest, uint64 postedAt)
        internal
        returns (Signer memory key)
    {
        require(header.count != 0, SettlementBadHeader("count"));
        require(header.channels != 0 && header.channels <= header.count, SettlementBadHeader("channels"));
        require(header.minIssuedAt <= header.maxIssuedAt, SettlementBadHeader("minIssuedAt"));
        require(header.minIssuedAt >= oldest, SettlementTooOld(header.minIssuedAt, block.timestamp, MAX_AGE));
        require(header.maxIssuedAt <= block.timestamp + CLOCK_SKEW, SettlementFromTheFuture(header.maxIssuedAt, block.timestamp));

        _advance(header, hash);
        (key.keyType, key.signer, key.policyPrefix) =
            REGISTRY.signingKey(Role.Inference, header.nodeId, header.keyId, header.minIssuedAt, header.maxIssuedAt, postedAt);
        require(_signed(key, hash, signature), SettlementBadHeaderSignature(hash));
    }

    /// The next nonce after the header that it names, and no other (S2).
    function _advance(BatchHeader calldata header, bytes32 hash) private {
        Tip storage last = _tips[header.nodeId];
        (uint64 nonce, bytes24 previous) = (last.nonce, last.header);
        require(header.nonce == nonce + 1, SettlementNonce(header.nodeId, header.nonce, nonce + 1));
        bool follows = bytes24(header.prevHeader) == previous && (nonce != 0 || header.prevHeader == 0);
        require(follows, SettlementPrevHeader(header.nodeId, header.prevHeader));
        (last.nonce, last.header) = (header.nonce, bytes24(hash));
    }

    /// None -> Posted: slot and lock.
    function _post(BatchHeader calldata header, bytes32 hash, bool fullBond) internal {
        _record(hash, BatchStatus.Posted, fullBond);
        emit HeaderPosted(hash, header.nodeId, header.nonce, fullBond, header);
        REGISTRY.lock(header.nodeId, hash, lockOf(header.totalCharge, fullBond));
    }

    /// A new header's slot, in one write.
    function _record(bytes32 hash, BatchStatus status_, bool fullBond) internal {
        _batches[hash] = Batch(status_, fullBond, uint40(block.timestamp), uint40(block.number), 0, 0, 0, 0, 0);
    }

    function _oldest(uint256 age) internal view returns (uint64) {
        return block.timestamp > age ? uint64(block.timestamp - age) : 0;
    }

    function _signed(Signer memory key, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        return NodeSignatures.verify(SIGNATURES, key.keyType, key.signer, digest, signature);
    }

    function _proofContext(InferenceReceipt calldata receipt, bytes32 digest, address beneficiary) internal view returns (uint256) {
        uint256 deadline = uint256(receipt.issuedAt) + MAX_AGE;
        bytes32 hash =
            keccak256(abi.encode(PROOF_CONTEXT_TAG, block.chainid, address(this), digest, receipt.modelId, beneficiary, deadline));
        return uint256(hash) & ((1 << 248) - 1);
    }

    function _lineKey(bytes32 nodeId, bytes32 paymentId) internal pure returns (bytes32) {
        return keccak256(abi.encode(nodeId, paymentId));
    }
}
