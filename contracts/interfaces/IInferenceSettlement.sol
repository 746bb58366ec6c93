// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader} from "../types/Batch.sol";
import {CommitteeMember, QuorumSignature} from "../types/Committee.sol";
import {BatchStatus} from "../types/Enums.sol";
import {InferenceReceipt} from "../types/Receipt.sol";
import {Batch, Settlement, SettlementParams} from "../types/Settlement.sol";
import {ISettlementEvents} from "./ISettlementEvents.sol";

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
interface IInferenceSettlement is ISettlementEvents {
    // -------------------------------------------------------------------------------------------- nodes (anyone may relay)

    /// @notice Posts a header whose receipts stand in a blob. Locks the node's bond.
    /// @param signature The key epoch's, over `headerHash(header)`.
    /// @param fullBond Lock twice the total charge: final after the window without a LeafCheck.
    function postBatch(BatchHeader calldata header, bytes calldata signature, bool fullBond) external returns (bytes32 headerHash);

    /// @notice Verifies every receipt of a header now: Final at once, no lock. Reverts whole, and by name. A header with vanilla
    /// receipts is Posted instead, with a lock: a signature alone does not make an output right, the window is for showing that.
    function settle(Settlement calldata settlement) external returns (bytes32 headerHash);

    /// @notice The same as `settle`, at a lower price, for receipts of one key, one model and one set of terms, each of a payment's
    /// receipts beginning where the one before ended, sequences without gap. The header is computed, not given: it has no blob
    /// (blobId and format are 0) and takes the next place in its node's chain, after the tip's 24 bytes and 8 zero
    /// ones. Terms: Tee.
    ///
    /// LAYOUT 1 of a run, big-endian, nothing between and nothing after; S is the length of a signature, of which all have one:
    ///
    ///   at        bytes       what
    ///   0         1           layout: 1
    ///   1         2           stretches
    ///   3         4           receipts
    ///   7         2           S
    ///   9         4           number of the node's slot that keeps the header; 0 for one of its own
    ///   13        162         terms: nodeId 32, payout 20, settlementMode 1, verification 1, tariffHash 32, policyId 32,
    ///                         royaltyTo 20, royaltyBps 2, feeBpsCap 2, inbox 20
    ///   175       32          keyId
    ///   207       32          modelId
    ///   239       S           signature over the header's digest
    ///   239 + S   88 each     stretches, one a payment, ascending by paymentId: paymentId 32, paymentChainId 8, escrow 20,
    ///                         receipts 4, cumulativeBefore of the first 16, sequence of the first 8
    ///   then      107 + S     for each receipt: requestHash 32, responseHash 32, charge 16, inputUnits 8, outputUnits 8,
    ///             each        issuedAt 8, outcome 1, place of its statement 2 (0 without proofs), signature over its digest S
    function settleRun(bytes calldata run) external returns (bytes32 headerHash);

    /// @notice A run under Zkml or TeeAndZkml terms. The proofs of all its receipts are checked at once, by one pairing check.
    /// One bad part fails the whole: keepers verify before they send, and bisect.
    /// @param run As in `settleRun`.
    /// @param proofs Of IGroth16Verifier.verify for one receipt, of verifyBatch for more.
    /// @param statements Public inputs in the verifier's order; each statement's first is its receipt's `proofContext`.
    function settleProvedRun(bytes calldata run, bytes calldata proofs, uint256[] calldata statements) external returns (bytes32 headerHash);

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

    /// @notice Posted -> Certified: two thirds of a committee's stake hold the data and checked every leaf. Members of the same
    /// epoch whose signatures were not among them join a Certified header's signers by the same call.
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

    // -------------------------------------------------------------------------------------------- guardian

    /// @notice Stops intake (`postBatch`, `settle`) for 7 days; may be repeated only 7 days after the last one's end.
    function pauseIntake() external;

    // -------------------------------------------------------------------------------------------- views

    /// @return What the chain keeps of a header; zeros for an unknown one, and for one whose numbered slot has meanwhile taken another.
    function batch(BatchHeader calldata header) external view returns (Batch memory);

    /// @return Its status alone.
    function status(BatchHeader calldata header) external view returns (BatchStatus);

    /// @notice The same, for who has the hash alone.
    /// @param slot BatchLib.slotOf the header.
    /// @return status_ None when the slot does not keep this header. A certificate is not looked for: Posted also for a Certified one.
    /// @return replacedAt 0, or when the slot took another header in the place of an earlier one, in seconds: what is None may have stood there before.
    function statusIn(bytes32 slot, bytes32 headerHash) external view returns (BatchStatus status_, uint64 replacedAt);

    /// @param number Of a slot of the node, as in the last 8 bytes of a header's prevHeader.
    /// @return header First 22 bytes of the hash of the header that stands in it; 0 if none ever did.
    /// @return freeAt Second after which another one may: SettlementSlotTaken.
    function numberedSlot(bytes32 nodeId, uint64 number) external view returns (bytes22 header, uint256 freeAt);

    /// @return Whether it decides faults or demands: FaultCourt and Demands, as the registry names them, for good.
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
    function finalizableAt(BatchHeader calldata header) external view returns (uint256 time, uint256 block_);

    /// @return EIP-712 digest of the header: what the node signs, and the batch's id. Reverts `DigestDirtyBits` when a member is wider than its type.
    function headerHash(BatchHeader calldata header) external view returns (bytes32);
    /// @return EIP-712 digest of the receipt: what the node signs. Reverts as `headerHash` does.
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
    /// @return EIP-712 domain of receipts, headers and the committee's statements.
    function domainSeparator() external view returns (bytes32);
}
