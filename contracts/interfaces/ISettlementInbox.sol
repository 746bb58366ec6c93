// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {CommitteeMember, QuorumSignature} from "../types/Committee.sol";
import {Finality, Rotation} from "../types/Statements.sol";

/// A Finality statement with the signatures that carry it.
struct Certificate {
    Finality finality;
    CommitteeMember[] members; // the whole list of `finality.committeeEpoch`, ascending by signer
    QuorumSignature quorum;
}

/// What the inbox holds of a header for good.
struct Verdict {
    uint8 status; // BatchStatus: Final, Rejected or RejectedNoFault; 0 unknown
    uint64 epoch; // committee epoch that signed
    uint64 recordedAt; // seconds, this chain
    bytes32 channelsRoot;
}

/// Where a committee epoch stands on this chain.
struct InboxEpoch {
    bytes32 listHash; // CommitteeLib.listHash; 0 unknown
    uint64 startedAt; // seconds, this chain
    uint64 endedAt; // seconds; 0 while it is the newest
    uint128 totalStake;
}

/// Immutable times, seconds. See `InboxTimes` checks in the constructor.
struct InboxTimes {
    uint32 silence; // T_silent: longer without a certificate and the alive clock stands still
    uint32 stopMax; // T_stopMax: most of one silence that the clock leaves out
    uint32 grace; // a rotated epoch's certificates still count for so long
    uint32 epochLife; // an epoch without rotation signs for so long; epochLife + grace < stake unlock on the settlement chain
}

/// @title Settlement inbox
/// @notice What the payment chain knows of the settlement chain: the committee epoch that may speak, and the verdicts that a
/// quorum of its stake signed. One inbox belongs to one settlement contract, and every escrow to one inbox, for good.
///
/// ROLES. `bootstrapper` names the first committee, once. Everyone may carry certificates and rotations.
/// TRUST. Two thirds of an epoch's stake. A false statement is slashable on the settlement chain by whoever shows it there; an
/// escrow's release cap bounds what it can move before that.
/// LIVENESS. Silence moves no money to a node. `aliveTime` is the clock of refunds: it stands still while the inbox is silent.
interface ISettlementInbox {
    /// The list is empty, longer than 64, not strictly ascending, without stake, or has the zero signer at `index`.
    error InboxBadCommittee(uint256 index);
    error InboxNotBootstrapper(address caller);
    error InboxAlreadyBootstrapped(uint64 epoch);
    error InboxWrongPlace(uint256 paymentChainId, address inbox);
    /// The epoch is unknown, or its grace or life is over.
    error InboxEpochNotAccepted(uint64 epoch, uint64 currentEpoch);
    error InboxExpired(uint64 validUntil, uint256 now_);
    error InboxWrongList(uint64 epoch, bytes32 listHash);
    error InboxNoQuorum(uint256 signedStake, uint256 totalStake);
    error InboxBadStatus(uint8 status);
    error InboxNotNext(uint64 epoch, uint64 expected);
    /// A keep-alive is not newer than the one before.
    error InboxStaleBeat(uint64 settledAt, uint64 last);
    /// A keep-alive is dated further ahead than T_silent: taken, it would make every honest one stale.
    error InboxFutureBeat(uint64 settledAt, uint256 now_);
    error InboxBadTimes(uint32 silence, uint32 stopMax, uint32 grace, uint32 epochLife);

    /// A committee epoch speaks from now on.
    event EpochStarted(uint64 indexed epoch, bytes32 indexed listHash, uint256 totalStake);
    event VerdictRecorded(bytes32 indexed headerHash, uint8 status, bytes32 channelsRoot, uint64 epoch);
    /// A second, different statement on one header. The first holds; both together slash their signers on the settlement chain.
    event CertificateConflicted(
        bytes32 indexed headerHash, uint8 recorded, uint8 offered, bytes32 offeredChannelsRoot, uint64 offeredEpoch
    );
    /// The committee said that it is there.
    event Beaten(uint64 indexed epoch, uint64 settledAt);

    /// @notice Names the first committee. Bootstrapper, once.
    function bootstrap(uint64 epoch, CommitteeMember[] calldata members) external;

    /// @notice Hands over to the next epoch by a statement of the current one.
    /// @param rotation Names the next epoch and the hash of its list.
    /// @param nextMembers The next epoch's list.
    /// @param currentMembers The list of the epoch that signs.
    function rotate(
        Rotation calldata rotation,
        CommitteeMember[] calldata nextMembers,
        CommitteeMember[] calldata currentMembers,
        QuorumSignature calldata quorum
    ) external;

    /// @notice Records a verdict. A header that has one keeps it: the same certificate again has no effect, another one is
    /// reported by an event. A certificate with header 0 and status 0 is a keep-alive: it only winds the clock.
    /// @return verdict What holds for the header from now on.
    function record(Certificate calldata certificate) external returns (Verdict memory verdict);

    function verdictOf(bytes32 headerHash) external view returns (Verdict memory);

    /// @notice Seconds since deployment, without the silences.
    function aliveTime() external view returns (uint256);

    /// @notice When the last certificate or rotation arrived, seconds.
    function lastHeardAt() external view returns (uint256);

    function currentEpoch() external view returns (uint64);

    function epochOf(uint64 epoch) external view returns (InboxEpoch memory);

    /// @notice EIP-712 domain of the settlement contract.
    function settlementDomain() external view returns (bytes32);

    function settlementChainId() external view returns (uint256);

    function settlement() external view returns (address);

    function times() external view returns (InboxTimes memory);
}
