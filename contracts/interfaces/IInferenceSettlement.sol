// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader} from "../types/Batch.sol";
import {CommitteeMember, QuorumSignature} from "../types/Committee.sol";
import {BatchStatus} from "../types/Enums.sol";
import {InferenceReceipt} from "../types/Receipt.sol";
import {Terms} from "../types/Terms.sol";

/// Where a stretch's money stands; the rest of a ChannelStretch follows from the receipts.
struct StretchPlace {
    uint256 paymentChainId;
    address escrow;
}

/// One receipt of an individual settlement, with its evidence.
struct SettleItem {
    InferenceReceipt receipt;
    bytes signature; // the key epoch's, over the receipt's digest
    uint16 terms; // index into `terms` of the call: the preimage of receipt.termsHash
    bytes proof; // Groth16; empty unless the terms ask for Zkml or TeeAndZkml
    uint256[] publicInputs; // the first is `proofContext`
}

/// A whole individual settlement.
struct Settlement {
    BatchHeader header;
    bytes signature; // the key epoch's, over the header's digest
    Terms[] terms; // those that the items refer to
    StretchPlace[] places; // one for each stretch, in order
    SettleItem[] items; // header.count of them
    bool fullBond; // as in postBatch; matters only for a header with vanilla receipts
}

/// What the chain keeps of a header, one storage slot.
struct Batch {
    BatchStatus status;
    bool fullBond; // lock is 2 x totalCharge instead of a tenth
    uint40 postedAt; // seconds; of a Rejected header: when it was rejected
    uint40 postedBlock;
    uint32 committeeEpoch; // of its certificate
    uint64 signers; // of its certificate; bit i is member i
    uint8 openDemands;
    uint8 totalDemands;
    uint32 extension; // seconds that demands and freezes added to the window
}

/// Constructor parameters; inequalities of PROTOCOL section 9 are checked there. Times in seconds.
struct SettlementParams {
    uint64 window; // W
    uint64 windowBlocks; // both clocks must have run
    uint64 responseTime; // T_resp
    uint64 repostTime; // T_repost
    uint64 maxAge; // MAX_AGE
    uint64 certTime; // T_cert: an under-bonded header without LeafCheck is void after this
    uint96 minLock; // B_min
    uint96 bondPerCharge; // units of the bond token that stand for one unit of charge: 1e12 for 18 against 6 decimals
}

/// @title Settlement of inference receipts
/// @notice A node posts *headers*, one after another, each naming the one before. A header whose receipts are all
/// verified in the posting call is Final at once (`settle`); any other one is two roots and a bond (`postBatch`):
/// full nodes check it (`certify`), anyone may prove it wrong (IFaultCourt) or ask for its data (IDemands) until its
/// window ends (`finalize`).
///
/// STATES. None -> Posted | Final; Posted -> Certified | Final (full bond) | Rejected | RejectedNoFault;
/// Certified -> Final | Rejected | RejectedNoFault; Rejected -> Reposted. Everything else reverts `SettlementInvalidTransition`.
/// BONDS. lock = max(minLock, totalCharge / 10) in bond units, or max(minLock, 2 x totalCharge) with `fullBond`; moved from
/// the node's free bond at posting, back at the end, slashed on a fault.
/// ONCE. `settle` keeps a watermark for each (node, payment): an interval or sequence that it has passed is refused. Two
/// batches that overlap are a provable fault.
/// LIVENESS. Every step is permissionless; nothing here is pausable but `postBatch` and `settle` (guardian, 7 days, then by itself over).
interface IInferenceSettlement {
    /// None -> Posted. `headerHash` is the batch's id everywhere; `header` is what later calls must re-supply.
    event HeaderPosted(bytes32 indexed headerHash, bytes32 indexed nodeId, uint64 indexed nonce, bool fullBond, BatchHeader header);
    /// None -> Final: every receipt was verified in the call, which carries header and receipts.
    event HeaderSettled(bytes32 indexed headerHash, bytes32 indexed nodeId, uint64 indexed nonce, bytes32 channelsRoot);
    /// `settle` moved this payment's watermark.
    event LineSettled(bytes32 indexed nodeId, bytes32 indexed paymentId, uint128 settledTo, uint64 nextSequence);
    /// A proof held for this receipt. `statement` = keccak256(abi.encode(publicInputs)).
    event ProofVerified(bytes32 indexed receiptDigest, bytes32 indexed modelId, bytes32 statement);
    event BatchCertified(bytes32 indexed headerHash, uint32 committeeEpoch, uint64 signers, uint256 signedStake);
    event BatchFinalized(bytes32 indexed headerHash, bytes32 indexed nodeId);
    /// `kind` 0: no fault (compromised image or key, frozen model, or under-bonded without LeafCheck in time).
    event BatchRejected(bytes32 indexed headerHash, bytes32 indexed nodeId, BatchStatus status, uint8 kind, address reporter);
    event BatchReposted(bytes32 indexed oldHeaderHash, bytes32 indexed newHeaderHash);
    event DemandCounted(bytes32 indexed headerHash, uint8 open, uint8 total, uint32 extension);
    /// Result of one settlement of `settleMany`: 0 settled, else the selector of the error that refused it.
    event SettleSkipped(uint256 indexed index, bytes4 reason);
    event IntakePaused(uint64 until);
    event ArbiterSet(address indexed arbiter, bool allowed);
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
    error SettlementNothingToAnnul(bytes32 headerHash);
    error SettlementPaused(uint64 until);
    error SettlementPauseTooSoon(uint64 notBefore);

    // -------------------------------------------------------------------------------------------- nodes (anyone may relay)

    /// @notice Posts a header whose receipts stand in a blob. Locks the node's bond.
    /// @param signature The key epoch's, over `headerHash(header)`.
    /// @param fullBond Lock twice the total charge: final after the window without a LeafCheck.
    function postBatch(BatchHeader calldata header, bytes calldata signature, bool fullBond) external returns (bytes32 headerHash);

    /// @notice Verifies every receipt of a header now: Final at once, no lock. Reverts whole, and by name. A header with vanilla
    /// receipts is Posted instead, with a lock: a signature alone does not make an output right, the window is for showing that.
    function settle(Settlement calldata settlement) external returns (bytes32 headerHash);

    /// @notice Many independent settlements, of one node or of many; one bad one blocks none.
    /// @param settlements abi.encode(Settlement) each.
    /// @return reasons 0 for each one that settled, else the selector of its error (0xffffffff without one).
    function settleMany(bytes[] calldata settlements) external returns (bytes4[] memory reasons);

    /// @notice Rejected -> Reposted: posts what remains of a rejected header without its faulty receipts; once, within T_repost.
    function repost(BatchHeader calldata rejected, BatchHeader calldata header, bytes calldata signature, bool fullBond)
        external
        returns (bytes32 headerHash);

    /// @notice OpenGradient-format batch root, as its clients know it: only an event.
    function batchSettle(bytes32 merkleRoot, uint256 batchSize, bytes calldata walrusBlobId) external;

    // -------------------------------------------------------------------------------------------- anyone

    /// @notice Posted -> Certified: two thirds of a committee's stake hold the data and checked every leaf.
    /// @param epoch Current committee epoch, or the one before during its grace.
    /// @param members Its list.
    /// @param quorum Signatures over the LeafCheck.
    function certify(BatchHeader calldata header, uint64 epoch, CommitteeMember[] calldata members, QuorumSignature calldata quorum) external;

    /// @notice Posted (full bond) or Certified -> Final, when the window is over on both clocks and no demand is open.
    function finalize(BatchHeader calldata header) external;

    /// @notice Posted or Certified -> RejectedNoFault: key or image compromised since before the posting, or under-bonded and
    /// not certified within T_cert. Lock returned.
    function annul(BatchHeader calldata header) external;

    // -------------------------------------------------------------------------------------------- arbiters (FaultCourt, Demands)

    /// @notice Posted or Certified -> Rejected: slashes lock and LeafCheck signers.
    function reject(BatchHeader calldata header, uint8 kind, address reporter) external;

    /// @notice Posted or Certified -> RejectedNoFault, e.g. because a model is frozen.
    function void(BatchHeader calldata header, uint8 kind) external;

    /// @notice Counts a demand in (open) or out. The first one extends the window by T_resp, once.
    function countDemand(BatchHeader calldata header, bool opened) external;

    // -------------------------------------------------------------------------------------------- admin, guardian

    /// @notice Admin: which contracts decide faults and demands.
    function setArbiter(address arbiter, bool allowed) external;

    /// @notice Stops intake (`postBatch`, `settle`) for 7 days; may be repeated only 7 days after the last one's end.
    function pauseIntake() external;

    // -------------------------------------------------------------------------------------------- views

    function batch(bytes32 headerHash) external view returns (Batch memory);
    function status(bytes32 headerHash) external view returns (BatchStatus);
    function isArbiter(address account) external view returns (bool);

    /// @return nonce Nonce of the node's last header; the next one is nonce + 1.
    /// @return prevHeader First 24 bytes of that header's hash.
    function tip(bytes32 nodeId) external view returns (uint64 nonce, bytes24 prevHeader);

    /// @return settledTo End of the last interval that `settle` took for this payment.
    /// @return nextSequence Lowest sequence that `settle` still takes.
    function line(bytes32 nodeId, bytes32 paymentId) external view returns (uint128 settledTo, uint64 nextSequence);

    /// @return Bond that the header locks.
    function lockOf(uint128 totalCharge, bool fullBond) external view returns (uint96);

    /// @return time When `finalize` opens, by time.
    /// @return block_ And by block number.
    function finalizableAt(bytes32 headerHash) external view returns (uint256 time, uint256 block_);

    function headerHash(BatchHeader calldata header) external view returns (bytes32);
    function receiptDigest(InferenceReceipt calldata receipt) external view returns (bytes32);

    /// @notice Reverts unless the receipt with this signature is leaf `index` of `header`.
    /// @param path Siblings from the leaf up.
    /// @return status_ Of the header: Final is what a consumer should ask for.
    function verifyInclusion(
        BatchHeader calldata header,
        InferenceReceipt calldata receipt,
        bytes calldata signature,
        uint256 index,
        bytes32[] calldata path
    ) external view returns (BatchStatus status_);

    /// @notice First public input of a receipt's proof: the low 248 bits of keccak256(abi.encode(PROOF_CONTEXT_TAG, chainId,
    /// settlement, receiptDigest as request id, modelId, beneficiary, issuedAt + MAX_AGE as deadline)). The receipt is signed
    /// first, then proved; the proof serves this receipt and no other.
    /// @param beneficiary terms.payout.
    function proofContext(InferenceReceipt calldata receipt, address beneficiary) external view returns (uint256);

    function params() external view returns (SettlementParams memory);
    function domainSeparator() external view returns (bytes32);
}
