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
import {Batch, SettlementParams} from "../types/Settlement.sol";
import {SigningKey} from "../types/SigningKey.sol";

/// @title Headers: their chain, their slot, their lock
/// @dev State and rules that the settlement contract and its part share. Both have the same storage in the same order.
abstract contract SettlementCore is ISettlementEvents, AccessManaged {
    using SigningKeys for IKeyLedger;

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
    mapping(bytes32 headerHash => Batch) internal _batches;
    /// Header that a numbered slot keeps, in one word: 192 bits of its hash, 63 bits of the second when it was settled, and in the
    /// lowest bit whether there was another one before. Only headers that are Final from the start stand here.
    mapping(bytes32 slot => uint256) private _settled;
    /// Last header of a node, in one word: 192 bits of its hash, collision resistant to 2^96, and 64 of its nonce.
    mapping(bytes32 nodeId => uint256) private _tips;
    /// What was settled of one payment, in one word: 128 bits `settledTo`, 64 bits `nextSequence`.
    mapping(bytes32 lineKey => uint256) private _lines;

    constructor(
        INodeRegistry registry,
        ISignatureChecker signatures,
        IVerifierRouter router,
        ICommittee committee,
        SettlementParams memory params_,
        bytes32 domain
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
        // A member may vouch for a header in the first half of its slot's life; a false word must be punishable in the second.
        RegistryParams memory given = registry.params();
        require(params_.slotLife / 2 >= given.stakeUnlock, SettlementBadParams("slotLife"));
        require(params_.minLock != 0 && params_.bondPerCharge != 0, SettlementBadParams("minLock"));
        (REGISTRY, SIGNATURES, ROUTER, COMMITTEE) = (registry, signatures, router, committee);
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
        bool follows = bytes24(header.prevHeader) == previous && (nonce != 0 || header.prevHeader == 0);
        require(follows, SettlementPrevHeader(header.nodeId, header.prevHeader));
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
        _record(hash, BatchStatus.Posted, fullBond);
        emit HeaderPosted(hash, header.nodeId, header.nonce, fullBond, header);
        REGISTRY.lock(header.nodeId, hash, _lockOf(header.totalCharge, fullBond));
    }

    function _lockOf(uint128 totalCharge, bool fullBond) internal view returns (uint96) {
        uint256 exposure = uint256(totalCharge) * BOND_PER_CHARGE;
        uint256 amount = fullBond ? 2 * exposure : exposure / 10;
        if (amount < MIN_LOCK) return MIN_LOCK;
        require(amount <= type(uint96).max, SettlementBadHeader("totalCharge"));
        return uint96(amount);
    }

    /// None -> Final: every receipt was verified. A slot of its own costs 22,100 gas, a numbered one that is used again 5,000.
    /// @param number Of the node's slot; 0 for one of its own.
    function _keepFinal(bytes32 nodeId, bytes32 number, bytes32 hash) internal {
        if (number == 0) {
            _record(hash, BatchStatus.Final, false);
            return;
        }
        bytes32 slot = BatchLib.numberedSlot(nodeId, number);
        uint256 word = _settled[slot];
        if (word != 0) {
            uint256 freeAt = (uint64(word) >> 1) + SLOT_LIFE;
            require(block.timestamp > freeAt, SettlementSlotTaken(nodeId, number, freeAt));
        }
        _settled[slot] = (uint256(hash) & ~uint256(type(uint64).max)) | (uint64(block.timestamp) << 1) | (word == 0 ? 0 : 1);
    }

    /// @return header First 24 bytes of the hash of the header that the numbered slot keeps.
    /// @return settledAt When it was settled.
    /// @return replaced Whether the slot has kept another one before.
    function _settledIn(bytes32 slot) internal view returns (bytes24 header, uint64 settledAt, bool replaced) {
        uint256 word = _settled[slot];
        return (bytes24(bytes32(word)), uint64(word) >> 1, word & 1 == 1);
    }

    function _statusIn(bytes32 slot, bytes32 hash) internal view returns (BatchStatus) {
        if (slot == hash) return _batches[hash].status;
        (bytes24 header, uint64 settledAt,) = _settledIn(slot);
        return settledAt != 0 && header == bytes24(hash) ? BatchStatus.Final : BatchStatus.None;
    }

    /// A new header's slot, in one write.
    function _record(bytes32 hash, BatchStatus status_, bool fullBond) internal {
        Batch storage entry = _batches[hash];
        assembly ("memory-safe") {
            // Fields from the lowest bit up as in Batch: 8 status, 8 fullBond, 40 postedAt, 40 postedBlock, zeros.
            let times := or(shl(16, and(timestamp(), 0xffffffffff)), shl(56, and(number(), 0xffffffffff)))
            sstore(entry.slot, or(or(status_, shl(8, fullBond)), times))
        }
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
