// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader} from "../types/Batch.sol";
import {FaultKind, LeafProof, StretchProof} from "../types/Faults.sol";
import {InferenceReceipt} from "../types/Receipt.sol";
import {Price} from "../types/Tariff.sol";
import {Terms} from "../types/Terms.sol";

struct LeafPair {
    LeafProof left;
    LeafProof right;
}

struct EdgeProof {
    StretchProof stretch;
    LeafProof leaf; // its first or its last receipt
}

struct InsideProof {
    StretchProof stretch;
    LeafProof left;
    LeafProof right;
}

struct StretchPair {
    StretchProof left;
    StretchProof right;
}

struct OverlapProof {
    StretchProof here;
    BatchHeader other;
    StretchProof there;
}

struct TermsProof {
    LeafProof leaf;
    Terms terms;
}

struct TariffProof {
    LeafProof leaf;
    Terms terms;
    uint256 chainId; // of the tariff, as its token
    address token;
    bytes32[] priceHashes; // TariffLib.hash of every price, in order
    uint256 index; // of the model's price
    Price price;
}

/// What an `int` program had to answer to a request in words (libraries/WordAnswers.sol).
struct OutputProof {
    LeafProof leaf;
    Terms terms;
    bytes32 salt; // of the request
    string model; // as the request names it
    uint256 inputs; // words of the request: publicInputs[1] to publicInputs[inputs]; the answer's are all that follow
    uint256[] publicInputs; // the first is `outputContext`
    bytes proof; // under the version's own key, of set-up level 2
}

/// Constructor parameters.
struct CourtParams {
    uint64 revealBlocks; // a commitment serves from the next block to that many blocks later
    uint64 evidenceTime; // T_ev: equivocation is provable that long after it was signed
    uint96 equivocationBond; // B_eq
}

/// What a proving call showed, beside reporter and header.
struct FaultOpening {
    FaultKind kind;
    bytes32 evidenceHash; // keccak256(evidence)
    bytes32 salt;
}

/// @title Faults
/// @notice Anyone proves a pending header wrong in one transaction, without bond or game: the evidence is a few leaves
/// with their paths, O(log count). The header is Rejected, its lock slashed, the signers of its certificate too.
/// The report is bound to its reporter by a commitment one block before, so that nobody copies it from the mempool.
/// Equivocation (two receipts for one place, or two headers for one nonce) is slashed once per key epoch.
///
/// WRONG OUTPUT. Only keys of level 2 count: the maker of another one knows its trapdoor. Vanilla and Zkml receipts are the node's
/// word alone: slashed. A Tee or TeeAndZkml receipt says that an attested image computed it: then either the image or the key is
/// broken, nobody can tell which, and the model version is frozen and the header void without a slash.
///
/// NOT HERE. A leaf that opens to nothing and a blob that is not there are proved by asking (IDemands). A key that was
/// not valid is refused at posting; a key or image compromised since voids the header (InferenceSettlement.annul).
interface IFaultCourt {
    event FaultCommitted(bytes32 indexed commitment, address indexed reporter);
    event FaultProved(bytes32 indexed headerHash, FaultKind indexed kind, address indexed reporter);
    event EquivocationProved(bytes32 indexed nodeId, bytes32 indexed keyId, address indexed reporter, bytes32 first, bytes32 second);

    error FaultCourtBadParams(string field);
    error FaultCourtNoCommitment(bytes32 commitment);
    error FaultCourtTooEarly(uint256 block_, uint256 revealBlock);
    error FaultCourtTooLate(uint256 block_, uint256 lastBlock);
    error FaultCourtKnown(bytes32 commitment);
    /// The price is not the tariff's at this index. (A leaf that does not open is `OpeningMismatch`.)
    error FaultCourtPriceMismatch(bytes32 given, bytes32 expected);
    /// The evidence opens, and shows nothing wrong.
    error FaultCourtNoFault(FaultKind kind);
    error FaultCourtUnknownKind(FaultKind kind);
    error FaultCourtTermsMismatch(bytes32 given, bytes32 expected);
    /// The proof's key is not of level 2, so it may convict nobody.
    error FaultCourtSetupLevel(bytes32 modelId, uint8 level);
    /// The version is not an `int` program, or has no key.
    error FaultCourtNoRightOutput(bytes32 modelId);
    /// The request does not open to these words.
    error FaultCourtRequestMismatch(bytes32 given, bytes32 expected);
    /// The proof was made for another receipt, court or reporter.
    error FaultCourtContext(uint256 given, uint256 expected);
    error FaultCourtProofInvalid(bytes32 modelId);
    error FaultCourtTooOld(uint64 issuedAt, uint256 now_);
    error FaultCourtAlreadySlashed(bytes32 keyId);

    /// @param commitment keccak256(abi.encode(reporter, headerHash, kind, keccak256(evidence), salt)).
    function commit(bytes32 commitment) external;

    /// @notice Rejects a Posted or Certified header. Needs the caller's commitment of an earlier block.
    /// @param evidence abi.encode of the kind's struct, see FaultKind.
    function prove(BatchHeader calldata header, FaultKind kind, bytes calldata evidence, bytes32 salt) external;

    /// @notice First public input of a proof about what a receipt should have answered: low 248 bits of keccak256(abi.encode(
    /// keccak256("opengradient.output-fault.v1"), chainId, court, receiptDigest, reporter)).
    function outputContext(bytes32 receiptDigest, address reporter) external view returns (uint256);

    /// @notice Two receipts of one node for one (payment, sequence), or with overlapping intervals that both charge.
    /// @dev No commitment: the reporter's share of B_eq goes to whoever is first; the node loses it in any case.
    function proveReceiptEquivocation(
        InferenceReceipt calldata first,
        bytes calldata firstSignature,
        InferenceReceipt calldata second,
        bytes calldata secondSignature
    ) external;

    /// @notice Two headers of one node for one nonce.
    function proveHeaderEquivocation(
        BatchHeader calldata first,
        bytes calldata firstSignature,
        BatchHeader calldata second,
        bytes calldata secondSignature
    ) external;

    /// @notice Whether the evidence proves the fault, whatever the header's status; reverts when it does not open. A WrongOutput is
    /// asked for by its reporter: the proof names the caller.
    function check(BatchHeader calldata header, FaultKind kind, bytes calldata evidence) external view returns (bool);

    /// @return Whether this reporter proved this fault of the header. Nothing is kept for the question: the commitment that stands
    /// anyway is opened once more, from what the proving call showed to everybody.
    function isProved(address reporter, bytes32 headerHash, FaultOpening calldata opening) external view returns (bool);

    /// @return The block of a commitment; 2^256 - 1 when its fault was proved; 0 for none.
    function commitmentBlock(bytes32 commitment) external view returns (uint256);
    function params() external view returns (CourtParams memory);
}
