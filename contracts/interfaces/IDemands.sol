// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader} from "../types/Batch.sol";
import {LeafProof, StretchProof} from "../types/Faults.sol";

enum DemandKind {
    None,
    Receipts, // leaves [first, first + count) of the receipts tree
    Stretches, // leaves [first, first + count) of the channels tree
    LastOf // the last receipt of a payment, or proof that the batch has none of it
}

struct Demand {
    bytes32 headerHash;
    DemandKind kind;
    uint8 count;
    uint32 first;
    uint40 openedAt; // seconds
    uint40 openedBlock;
    address asker;
    bool open;
    uint128 bond; // wei, paid to who answers
    bytes32 paymentId; // of LastOf
}

/// Answer to LastOf. Absence is shown by the neighbours between which the payment would stand.
struct LastAnswer {
    StretchProof[] stretches; // the payment's last stretch and its right neighbour, or the two neighbours of the gap; one at an end
    LeafProof[] leaf; // the last stretch's last receipt; none for absence
}

/// @title Demands for a batch's data
/// @notice A root whose leaves nobody can open is worth nothing, and a leaf that opens to nothing cannot be proved wrong:
/// so anyone may ask. A demand costs the gas of its answer, which is paid to whoever answers (the node, or any full node
/// that mirrored the blob). A demand without an answer at T_resp rejects the header.
/// At most 16 are open at a time and 128 in all for each header; the first one extends the window by T_resp, once.
interface IDemands {
    event DemandOpened(uint256 indexed demandId, bytes32 indexed headerHash, address indexed asker, DemandKind kind, uint32 first, uint8 count, bytes32 paymentId);
    event DemandAnswered(uint256 indexed demandId, bytes32 indexed headerHash, address indexed answerer);
    event DemandEnforced(uint256 indexed demandId, bytes32 indexed headerHash);
    event DemandClosed(uint256 indexed demandId, bytes32 indexed headerHash);
    event CreditWithdrawn(address indexed account, uint256 amount);

    error DemandsBadParams(string field);
    error DemandsBadRange(uint256 first, uint256 count, uint256 leaves);
    error DemandsBond(uint256 given, uint256 needed);
    error DemandsNotOpen(uint256 demandId);
    error DemandsWrongHeader(bytes32 given, bytes32 expected);
    error DemandsWrongKind(uint256 demandId, DemandKind kind);
    error DemandsBadAnswer(uint256 index);
    error DemandsNotYet(uint256 now_, uint256 deadline);
    error DemandsStillPending(bytes32 headerHash);
    error DemandsTransferFailed(address to, uint256 amount);

    /// @notice Asks for 1 to 16 leaves of one of the trees. Send `bondFor(count)` wei or more.
    function ask(BatchHeader calldata header, DemandKind kind, uint32 first, uint8 count) external payable returns (uint256 demandId);

    /// @notice Asks for the last receipt of a payment.
    function askLast(BatchHeader calldata header, bytes32 paymentId) external payable returns (uint256 demandId);

    /// @notice Anyone: the receipts, in order. Pays the bond to the caller.
    function answerReceipts(uint256 demandId, BatchHeader calldata header, LeafProof[] calldata leaves) external;
    function answerStretches(uint256 demandId, BatchHeader calldata header, StretchProof[] calldata stretches) external;
    function answerLast(uint256 demandId, BatchHeader calldata header, LastAnswer calldata answer) external;

    /// @notice Anyone, after T_resp: rejects the header. The asker has its bond back and the reporter's share of the lock.
    function enforce(uint256 demandId, BatchHeader calldata header) external;

    /// @notice Anyone: gives the bond back when the header was decided by something else.
    function close(uint256 demandId, BatchHeader calldata header) external;

    /// @notice Sends the caller its credit, in wei.
    function withdraw() external;

    /// @notice One demand; ids count from 0. Reverts for one that was never opened.
    function demand(uint256 demandId) external view returns (Demand memory);
    function demandCount() external view returns (uint256);
    /// @return Wei that a demand for that many leaves takes: twice an answer's gas at this block's base fee.
    function bondFor(uint256 count) external view returns (uint256);
    /// @return time When an answer is due, in seconds; a later one counts until somebody enforces the demand.
    /// @return block_ And by block number.
    function deadline(uint256 demandId) external view returns (uint256 time, uint256 block_);
    /// @return Wei that the account may withdraw.
    function credit(address account) external view returns (uint256);
}
