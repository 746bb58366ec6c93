// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader} from "../types/Batch.sol";
import {CommitteeMember, QuorumSignature} from "../types/Committee.sol";
import {Finality, Rotation} from "../types/Statements.sol";

/// Constructor parameters. Times in seconds.
struct CommitteeParams {
    uint64 epochLength;
    uint64 grace; // an epoch's signatures count that long after the next one began
    uint64 certificateLife; // longest validUntil - settledAt of a Finality statement that its signers may sign
    uint96 minTotalStake; // below it certificates do not count (fast path off)
    uint16 maxOperatorBps; // share of stake above which one operator turns the fast path off: 3,334; devnets 10,000
    uint96 falseStatementSlash; // of each signer of a false statement, at most its bond
}

/// Where an epoch stands. Time and `rotate` move it forward, nothing moves it back.
enum EpochStatus {
    None, // not even next
    Scheduled, // the next one: its list is open until `rotate`
    Current,
    Grace, // relieved; what it signs still counts for `grace` seconds
    Dead // signs nothing any more; what it signed falsely stays slashable
}

/// What the chain keeps of an epoch.
struct CommitteeEpoch {
    bytes32 listHash; // CommitteeLib.listHash
    // One word:
    uint64 start; // seconds
    uint64 end; // start of the next one, 0 while current
    uint96 totalStake;
    uint16 size;
    bool fastPath; // quorums count
}

/// @title Committee of full nodes
/// @notice At most 64 seats, taken by Active full nodes; a better bonded node takes the weakest seat. `rotate` freezes
/// the seats with their stakes into the next epoch. A member signs with its node's payment authorizer. Members sign two
/// statements: LeafCheck (this chain, InferenceSettlement.certify) and Finality (the payment chain, SettlementInbox).
/// A false Finality, Rotation or LeafCheck is slashable here by anyone who shows it, with or without a quorum behind it.
/// `Rejected` may be signed when the header can no longer be reposted, `Final` and `RejectedNoFault` as soon as they stand
/// in a finalised block.
/// STATES. Scheduled -> Current (`rotate`) -> Grace (the next `rotate`) -> Dead (`grace` seconds later, or the rotate after next).
/// FAST PATH. A quorum counts only while the total stake is at least `minTotalStake` and no operator holds over `maxOperatorBps` of it.
interface ICommittee {
    event SeatTaken(bytes32 indexed nodeId, address indexed signer, bytes32 indexed replaced);
    event SeatLeft(bytes32 indexed nodeId, address indexed signer);
    /// Rebuilds an epoch's list; SettlementInbox mirrors it.
    event CommitteeRotated(uint64 indexed epoch, bytes32 indexed listHash, uint64 start, CommitteeMember[] members, bytes32[] nodeIds);
    event FalseStatementProved(uint64 indexed epoch, bytes32 indexed headerHash, uint64 signers, address indexed reporter);

    error CommitteeBadParams(string field);
    error CommitteeNotFullNode(bytes32 nodeId);
    error CommitteeSeated(bytes32 nodeId);
    error CommitteeSignerTaken(address signer);
    error CommitteeNotSeated(bytes32 nodeId);
    error CommitteeNoSeat(bytes32 nodeId, uint256 stake, uint256 weakest);
    error CommitteeStillActive(bytes32 nodeId);
    error CommitteeNotYet(uint256 now_, uint64 readyAt);
    error CommitteeEmpty();
    error CommitteeUnknownEpoch(uint64 epoch);
    error CommitteeDeadEpoch(uint64 epoch, uint64 current);
    error CommitteeWrongList(uint64 epoch, bytes32 given, bytes32 expected);
    error CommitteeFastPathOff(uint64 epoch);
    error CommitteeStatementTrue(bytes32 headerHash);
    error CommitteeAlreadySlashed(uint64 epoch, bytes32 statement);
    error CommitteeNotSettlement(address caller);

    /// @notice Takes a seat for an Active full node with enough bond, an empty one or the weakest. Effective at the next rotation.
    function join(bytes32 nodeId) external;

    /// @notice Frees a seat: the operator's wish, or anyone for a node that is no longer Active.
    function leave(bytes32 nodeId) external;

    /// @notice Starts the next epoch with the seats as they are now; anyone, when the current one's time is over (or when
    /// there is none yet). Seats of nodes that are not Active or under the minimum bond fall out.
    function rotate() external returns (uint64 epoch);

    /// @notice Reverts unless `members` is the list of an epoch that may still sign now and the fast path is on.
    /// @return signed Stake behind the signatures over `digest`; total of all.
    function signedStake(uint64 epoch, CommitteeMember[] calldata members, bytes32 digest, QuorumSignature calldata quorum)
        external
        view
        returns (uint256 signed, uint256 total);

    /// @notice Slashes the signers of a Finality statement that contradicts this chain: status that is not the header's, unknown
    /// header, or wrong channelsRoot, time or validity. A keep-alive (no header, no root, status 0) claims its time only.
    /// @param header What the statement's headerHash stands for, if it is known; else any header.
    function slashFalseFinality(
        Finality calldata statement,
        BatchHeader calldata header,
        CommitteeMember[] calldata members,
        QuorumSignature calldata quorum
    ) external;

    /// @notice Slashes the signers of a Rotation that names another list than this chain has for the epoch, or an epoch that has
    /// not begun.
    /// @param members List of the epoch that signed: the one before `statement.epoch`.
    function slashFalseRotation(Rotation calldata statement, CommitteeMember[] calldata members, QuorumSignature calldata quorum) external;

    /// @notice Slashes the signers of a LeafCheck of a header with a proved fault, whether or not a certificate carried their
    /// signatures: one blind signature among honest ones costs the same as a certificate of blind ones.
    /// Not for a wrong output: whether it is right cannot be seen in the blob.
    function slashFalseLeafCheck(
        BatchHeader calldata header,
        uint64 epoch,
        CommitteeMember[] calldata members,
        QuorumSignature calldata quorum
    ) external;

    /// @notice Settlement: slashes the signers of a certificate of a header with a proved fault, those who were not slashed before.
    function slashLeafCheck(bytes32 headerHash, uint64 epoch, uint64 signers, address reporter) external;

    /// @return 0 before the first rotation.
    function currentEpoch() external view returns (uint64);
    function epochStatus(uint64 epoch) external view returns (EpochStatus);
    /// @return What the chain keeps of an epoch; all zero for one that has not begun.
    function epochInfo(uint64 epoch) external view returns (CommitteeEpoch memory);
    /// @return The epoch's list, ascending by signer, as calls must re-supply it.
    function members(uint64 epoch) external view returns (CommitteeMember[] memory);
    /// @return nodeIds Nodes of the members, in the list's order.
    function memberNodes(uint64 epoch) external view returns (bytes32[] memory nodeIds);
    /// @return nodeIds Nodes that hold a seat now: the next epoch's, if nothing changes.
    function seats() external view returns (bytes32[] memory nodeIds);

    /// @return Whether quorums of the epoch count: stake is large enough and no operator holds too much.
    function fastPath(uint64 epoch) external view returns (bool);
    function params() external view returns (CommitteeParams memory);
}
