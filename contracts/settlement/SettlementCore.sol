// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {ICommittee} from "../interfaces/ICommittee.sol";
import {IKeyLedger, KeyUse} from "../interfaces/IKeyLedger.sol";
import {INodeRegistry, RegistryParams} from "../interfaces/INodeRegistry.sol";
import {ISettlementEvents} from "../interfaces/ISettlementEvents.sol";
import {ISignatureChecker} from "../interfaces/ISignatureChecker.sol";
import {IVerifierRouter} from "../interfaces/IVerifierRouter.sol";
import {NodeSignatures} from "../libraries/NodeSignatures.sol";
import {SigningKeys} from "../libraries/SigningKeys.sol";
import {BatchHeader, BatchLib} from "../types/Batch.sol";
import {BatchStatus, Role} from "../types/Enums.sol";
import {SettlementParams} from "../types/Settlement.sol";
import {SigningKey} from "../types/SigningKey.sol";
import {ChecksWord} from "./ChecksWord.sol";
import {HeadLib, HeadWord} from "./HeadWord.sol";

/// @title Headers: their chain, their slot, their lock
/// @dev State and rules that the settlement contract and its part share. Both have the same storage in the same order.
abstract contract SettlementCore is ISettlementEvents, AccessManaged {
    using SigningKeys for IKeyLedger;

    /// Where a header stands: BatchLib.slotOf.
    struct HeaderSlot {
        HeadWord head;
        ChecksWord checks;
    }

    uint64 private constant CLOCK_SKEW = 30;
    bytes32 private constant PROOF_CONTEXT_TAG = keccak256("opengradient.proof-context.v1");

    INodeRegistry public immutable REGISTRY;
    IKeyLedger internal immutable KEYS; // where the registry's keys stand beside their images
    uint64 internal immutable GRACE; // in which what an ended key signed may still be posted
    ISignatureChecker public immutable SIGNATURES;
    IVerifierRouter public immutable ROUTER;
    ICommittee public immutable COMMITTEE;
    bytes32 internal immutable DOMAIN;
    uint64 internal immutable MAX_AGE;
    uint64 internal immutable SLOT_LIFE;
    uint96 internal immutable MIN_LOCK;
    uint96 internal immutable BOND_PER_CHARGE;

    SettlementParams internal _params;
    uint64 internal _pausedUntil;
    /// Two words a header (BatchLib.slotOf).
    mapping(bytes32 slot => HeaderSlot) internal _slots;
    /// Last header of a node, in one word: 192 bits of its hash, collision resistant to 2^96, and 64 of its nonce.
    mapping(bytes32 nodeId => uint256) private _tips;
    /// What was settled of one payment, in one word: 128 bits `settledTo`, 64 bits `nextSequence`.
    mapping(bytes32 lineKey => uint256) private _lines;

    constructor(
        INodeRegistry registry,
        ISignatureChecker signatures,
        IVerifierRouter router,
        SettlementParams memory params_,
        bytes32 domain
    ) {
        require(address(registry) != address(0), SettlementBadParams("registry"));
        require(address(signatures) != address(0), SettlementBadParams("signatures"));
        require(address(router) != address(0), SettlementBadParams("router"));
        require(params_.window != 0 && params_.windowBlocks != 0, SettlementBadParams("window"));
        // A demand that is opened at the last moment must be answerable inside of the extended window.
        require(params_.responseTime != 0 && params_.responseTime <= params_.window, SettlementBadParams("responseTime"));
        require(params_.certTime != 0 && params_.certTime <= params_.window, SettlementBadParams("certTime"));
        require(params_.repostTime != 0, SettlementBadParams("repostTime"));
        require(params_.maxAge != 0, SettlementBadParams("maxAge"));
        // A member may vouch for a header in the first half of its slot's life; a false word must be punishable in the second.
        RegistryParams memory given = registry.params();
        require(params_.slotLife > params_.repostTime, SettlementBadParams("slotLife"));
        require(params_.slotLife / 2 >= given.stakeUnlock, SettlementBadParams("slotLife"));
        require(params_.minLock != 0 && params_.bondPerCharge != 0, SettlementBadParams("minLock"));
        (REGISTRY, SIGNATURES, ROUTER, COMMITTEE) = (registry, signatures, router, ICommittee(registry.authorities().committee));
        (KEYS, GRACE) = (registry.POLICY(), given.postGrace);
        (MAX_AGE, SLOT_LIFE) = (params_.maxAge, params_.slotLife);
        (MIN_LOCK, BOND_PER_CHARGE) = (params_.minLock, params_.bondPerCharge);
        DOMAIN = domain;
        _params = params_;
    }

    /// Intake only: what is posted goes its way whatever the guardian does.
    modifier whenOpen() {
        require(_pausedUntil <= block.timestamp, SettlementPaused(_pausedUntil));
        _;
    }

    /// Shape, times, key, signature and place in the node's chain: what every header passes.
    /// @param oldest Earliest issuedAt that is still taken.
    /// @param postedAt When the key's grace is asked for.
    function _accept(BatchHeader calldata header, bytes calldata signature, bytes32 hash, uint64 oldest, uint64 postedAt)
        internal
        returns (SigningKey key, bytes16 policyPrefix)
    {
        require(header.count != 0, SettlementBadHeader("count"));
        require(header.channels != 0 && header.channels <= header.count, SettlementBadHeader("channels"));
        require(header.minIssuedAt <= header.maxIssuedAt, SettlementBadHeader("minIssuedAt"));
        _requireAge(header.minIssuedAt, header.maxIssuedAt, oldest);

        _advance(header, hash);
        (key, policyPrefix) = _signer(header.nodeId, header.keyId, header.minIssuedAt, header.maxIssuedAt, postedAt);
        require(_signed(key, hash, signature), SettlementBadHeaderSignature(hash));
    }

    function _requireAge(uint64 minIssuedAt, uint64 maxIssuedAt, uint64 oldest) internal view {
        require(minIssuedAt >= oldest, SettlementTooOld(minIssuedAt, block.timestamp, MAX_AGE));
        require(maxIssuedAt <= block.timestamp + CLOCK_SKEW, SettlementFromTheFuture(maxIssuedAt, block.timestamp));
    }

    /// The key of a header, checked against the header's times; and the image policy under which it was admitted, 16 bytes of it.
    function _signer(bytes32 nodeId, bytes32 keyId, uint64 minIssuedAt, uint64 maxIssuedAt, uint64 postedAt)
        internal
        view
        returns (SigningKey, bytes16)
    {
        uint64 aliveAt = postedAt > GRACE ? postedAt - GRACE : 0;
        return KEYS.ask(KeyUse(address(REGISTRY), nodeId, keyId, Role.Inference, minIssuedAt, maxIssuedAt, aliveAt));
    }

    /// The next nonce after the header that it names, and no other (S2).
    function _advance(BatchHeader calldata header, bytes32 hash) private {
        (uint64 nonce, bytes24 previous) = _tipOf(header.nodeId);
        require(header.nonce == nonce + 1, SettlementNonce(header.nodeId, header.nonce, nonce + 1));
        require(bytes24(header.prevHeader) == previous, SettlementPrevHeader(header.nodeId, header.prevHeader));
        _setTip(header.nodeId, header.nonce, hash);
    }

    function _tipOf(bytes32 nodeId) internal view returns (uint64 nonce, bytes24 header) {
        uint256 word = _tips[nodeId];
        return (uint64(word), bytes24(bytes32(word)));
    }

    function _setTip(bytes32 nodeId, uint64 nonce, bytes32 hash) internal {
        _tips[nodeId] = (uint256(hash) & ~uint256(type(uint64).max)) | nonce;
    }

    function _lineOf(bytes32 key) internal view returns (uint128 settledTo, uint64 nextSequence) {
        uint256 word = _lines[key];
        return (uint128(word >> 64), uint64(word));
    }

    /// @param index Of the receipt, for the error.
    /// @return key Of the payment's line.
    function _requireNew(uint256 index, bytes32 nodeId, bytes32 paymentId, uint128 cumulativeBefore, uint64 sequence)
        internal
        view
        returns (bytes32 key)
    {
        key = _lineKey(nodeId, paymentId);
        (uint128 settledTo, uint64 nextSequence) = _lineOf(key);
        bool isNew = cumulativeBefore >= settledTo && sequence >= nextSequence;
        require(isNew, SettlementAlreadySettled(index, paymentId, settledTo, nextSequence));
    }

    function _setLine(bytes32 key, uint128 settledTo, uint64 nextSequence) internal {
        _lines[key] = (uint256(settledTo) << 64) | nextSequence;
    }

    /// None -> Posted: slot and lock.
    function _post(BatchHeader calldata header, bytes32 hash, bool fullBond) internal {
        _keep(header.nodeId, header.prevHeader, hash, BatchStatus.Posted, fullBond);
        _logPosted(header, hash, fullBond);
        REGISTRY.lockBond(header.nodeId, _lockOf(header.totalCharge, fullBond), hash);
    }

    /// Emits HeaderPosted. Members of a header that was hashed are clean: as they stand in calldata they are the event's data.
    function _logPosted(BatchHeader calldata header, bytes32 hash, bool fullBond) private {
        (bytes32 topic, bytes32 nodeId, uint64 nonce) = (HeaderPosted.selector, header.nodeId, header.nonce);
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, fullBond)
            calldatacopy(add(p, 0x20), header, 0x1c0)
            log4(p, 0x1e0, topic, hash, nodeId, nonce)
        }
    }

    function _lockOf(uint128 totalCharge, bool fullBond) internal view returns (uint96) {
        uint256 exposure = uint256(totalCharge) * BOND_PER_CHARGE;
        uint256 amount = fullBond ? 2 * exposure : exposure / 10;
        if (amount < MIN_LOCK) return MIN_LOCK;
        require(amount <= type(uint96).max, SettlementBadHeader("totalCharge"));
        return uint96(amount);
    }

    /// A new header's slot, in one write: 22,100 gas for a slot that was never used, 5,000 for one that is used again.
    function _keep(bytes32 nodeId, bytes32 prevHeader, bytes32 hash, BatchStatus status_, bool fullBond) internal {
        HeaderSlot storage slot = _slots[BatchLib.slotOf(nodeId, prevHeader, hash)];
        HeadWord last = slot.head;
        uint256 freeAt = last.freeAt(SLOT_LIFE);
        require(block.timestamp > freeAt, SettlementSlotTaken(nodeId, uint64(uint256(prevHeader)), freeAt));
        slot.head = HeadLib.pack(hash, status_, fullBond, !last.isEmpty());
    }

    function _oldest(uint256 age) internal view returns (uint64) {
        return block.timestamp > age ? uint64(block.timestamp - age) : 0;
    }

    function _signed(SigningKey key, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        return NodeSignatures.verify(SIGNATURES, key, digest, signature);
    }

    /// First public input of a receipt's proof. See IInferenceSettlement.proofContext.
    function _context(bytes32 digest, bytes32 modelId, address beneficiary, uint64 issuedAt) internal view returns (uint256) {
        uint256 deadline = uint256(issuedAt) + MAX_AGE;
        bytes32 hash = keccak256(abi.encode(PROOF_CONTEXT_TAG, block.chainid, address(this), digest, modelId, beneficiary, deadline));
        return uint256(hash) & ((1 << 248) - 1);
    }

    function _lineKey(bytes32 nodeId, bytes32 paymentId) internal pure returns (bytes32 key) {
        assembly ("memory-safe") {
            mstore(0x00, nodeId)
            mstore(0x20, paymentId)
            key := keccak256(0x00, 0x40)
        }
    }
}
