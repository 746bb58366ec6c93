// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader} from "../types/Batch.sol";
import {BatchStatus} from "../types/Enums.sol";

/// @title What settlement tells and why it refuses
interface ISettlementEvents {
    /// None -> Posted. `headerHash` is the batch's id everywhere; `header` is what later calls must re-supply.
    event HeaderPosted(bytes32 indexed headerHash, bytes32 indexed nodeId, uint64 indexed nonce, bool fullBond, BatchHeader header);
    /// None -> Final: every receipt was verified in the call, which carries header and receipts.
    event HeaderSettled(bytes32 indexed headerHash, bytes32 indexed nodeId, uint64 indexed nonce, bytes32 channelsRoot);
    /// HeaderSettled and LineSettled in one, for a header of one stretch.
    event StretchSettled(
        bytes32 indexed headerHash,
        bytes32 indexed nodeId,
        bytes32 indexed paymentId,
        uint64 nonce,
        bytes32 channelsRoot,
        uint128 settledTo,
        uint64 nextSequence
    );
    /// An individual settlement moved this payment's watermark.
    event LineSettled(bytes32 indexed nodeId, bytes32 indexed paymentId, uint128 settledTo, uint64 nextSequence);
    /// A proof held for this receipt. `statement` = keccak256(abi.encode(publicInputs)).
    event ProofVerified(bytes32 indexed receiptDigest, bytes32 indexed modelId, bytes32 statement);
    /// One check held for the proofs of all receipts of a run. `statements` = keccak256 of their public inputs, as given.
    event ProofsVerified(bytes32 indexed headerHash, bytes32 indexed modelId, uint256 count, bytes32 statements);
    /// `signers` is everybody whose LeafCheck the certificate carries by now, `signedStake` the stake behind this call's signatures.
    event BatchCertified(bytes32 indexed headerHash, uint32 committeeEpoch, uint64 signers, uint256 signedStake);
    event BatchFinalized(bytes32 indexed headerHash, bytes32 indexed nodeId);
    /// `kind` 0: no fault (compromised image or key, frozen model, or under-bonded without LeafCheck in time).
    event BatchRejected(bytes32 indexed headerHash, bytes32 indexed nodeId, BatchStatus status, uint8 kind, address reporter);
    event BatchReposted(bytes32 indexed oldHeaderHash, bytes32 indexed newHeaderHash);
    event DemandCounted(bytes32 indexed headerHash, uint8 open, uint8 total, uint32 extension);
    /// Result of one settlement of `settleMany`: 0 settled, else the selector of the error that refused it.
    event SettleSkipped(uint256 indexed index, bytes4 reason);
    event IntakePaused(uint64 until);
    /// OpenGradient-format root (WIRE.md): evidence for its clients, no money, no finality.
    event BatchSettlement(bytes32 indexed merkleRoot, uint256 batchSize, bytes walrusBlobId);

    error SettlementBadParams(string field);
    error SettlementInvalidTransition(bytes32 headerHash, BatchStatus from, BatchStatus to);
    error SettlementNonce(bytes32 nodeId, uint64 given, uint64 expected);
    error SettlementPrevHeader(bytes32 nodeId, bytes32 given);
    error SettlementBadHeaderSignature(bytes32 headerHash);
    error SettlementBadHeader(string field);
    error SettlementTooOld(uint64 issuedAt, uint256 now_, uint64 maxAge);
    error SettlementFromTheFuture(uint64 issuedAt, uint256 now_);
    error SettlementNotArbiter(address caller);
    error SettlementCompromised(bytes32 headerHash, uint64 since);
    /// A receipt differs from its header: "nodeId", "keyId", "issuedAt", "outcome", "charge".
    error SettlementBadReceipt(uint256 index, string field);
    error SettlementBadReceiptSignature(uint256 index, bytes32 receiptDigest);
    error SettlementBadTerms(uint256 index, string field);
    error SettlementOrder(uint256 index);
    error SettlementRootMismatch(string tree, bytes32 given, bytes32 computed);
    error SettlementTotalMismatch(uint256 given, uint256 computed);
    /// The first byte of a run names a layout that this contract does not read.
    error SettlementRunLayout(uint256 given, uint256 known);
    /// A run's bytes are fewer or more than its stretches, receipts and signatures take.
    error SettlementRunLength(uint256 given, uint256 expected);
    error SettlementCountMismatch(string what, uint256 given, uint256 expected);
    /// Interval or sequence lies below what this node has settled for this payment.
    error SettlementAlreadySettled(uint256 index, bytes32 paymentId, uint128 settledTo, uint64 nextSequence);
    error SettlementProofMissing(uint256 index);
    error SettlementProofContext(uint256 index, uint256 given, uint256 expected);
    error SettlementProofInvalid(uint256 index, bytes32 modelId);
    error SettlementNotYet(uint256 now_, uint256 readyAt, uint256 block_, uint256 readyBlock);
    error SettlementTooLate(uint256 now_, uint256 deadline);
    error SettlementOpenDemands(bytes32 headerHash, uint256 open);
    error SettlementTooManyDemands(bytes32 headerHash, uint256 open, uint256 total);
    error SettlementNotCertifiable(bytes32 headerHash, uint256 signed, uint256 total);
    /// The node's slot of this number keeps another header until `freeAt`, in seconds; for good while that is not decided (2^256 - 1).
    error SettlementSlotTaken(bytes32 nodeId, uint64 number, uint256 freeAt);
    error SettlementNothingToAnnul(bytes32 headerHash);
    /// The part of the settlement contract was called by itself.
    error SettlementIsPart(address settlement);
    error SettlementPaused(uint64 until);
    error SettlementPauseTooSoon(uint64 notBefore);
}
