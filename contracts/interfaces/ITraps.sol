// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader} from "../types/Batch.sol";
import {FaultOpening} from "./IFaultCourt.sol";

/// A planted header, as long as nobody knows which one.
struct Trap {
    address planter;
    uint40 plantedAt; // seconds
    uint40 plantedBlock;
    uint96 prize; // for the finder; as much again is the planter's surety for telling
}

/// Constructor parameters.
struct TrapParams {
    uint96 minPrize;
    uint64 revealTime; // seconds from planting in which the planter must tell
}

/// @title Planted bad headers
/// @notice A planter commits to a header that it will post with a fault in it, and lays down twice a prize. Who checks finds the
/// fault and reports it like any other (IFaultCourt): the header's lock is slashed as usual. The planter then tells that it was
/// a trap: the finder gets the prize, the planter its surety. Who signed without looking loses what a false LeafCheck costs
/// (ICommittee.slashFalseLeafCheck), to the benefit of whoever shows the signature.
///
/// WHY IT PAYS TO CHECK. Signing a header blindly saves the cost c of a check and loses falseStatementSlash with the probability p
/// that the header is bad: blind signing loses as soon as p x falseStatementSlash > c. docs/engineer/committee.md has the numbers.
/// WHY PLANTING DOES NOT PAY. A planter that nobody falls for is out of the prize and of 70 % of the lock; if it "finds" its own
/// trap it has the prize back and is still out of 70 % of the lock. It earns only from those who signed blindly.
/// WHY IT TELLS. Until it does, its surety stays here, and is forfeit at `revealTime`. Nothing is forgiven for telling: a header
/// is slashed alike, trap or not, so calling an accident a trap gains nothing.
interface ITraps {
    event TrapPlanted(bytes32 indexed commitment, address indexed planter, uint96 prize);
    event TrapFound(bytes32 indexed commitment, bytes32 indexed headerHash, address indexed finder, uint96 prize);
    /// Nobody found it and nobody was harmed: the header fell without a fault.
    event TrapReturned(bytes32 indexed commitment, bytes32 indexed headerHash);
    /// Not told in time, not a bad header, or its data was withheld: everything goes to the full nodes' pool.
    event TrapForfeited(bytes32 indexed commitment, uint256 amount);

    error TrapsBadParams(string field);
    error TrapsPrizeTooSmall(uint96 prize, uint96 minimum);
    error TrapsKnown(bytes32 commitment);
    error TrapsUnknown(bytes32 commitment);
    error TrapsTokenAmount(uint256 expected, uint256 received);
    /// The header is still pending, or was never posted.
    error TrapsNotDecided(bytes32 headerHash);
    /// The header was posted before or with the commitment.
    error TrapsPlantedLate(uint256 plantedBlock, uint256 postedBlock);
    error TrapsNotYet(uint256 now_, uint256 readyAt);

    /// @notice Takes 2 x prize (ERC-20 approval needed). The header must be posted in a later block.
    /// @param commitment keccak256(abi.encode(planter, headerHash, salt)); the salt is secret, so that nobody can try headers.
    function plant(bytes32 commitment, uint96 prize) external;

    /// @notice Planter: tells which header it was, once that is decided. Rejected by a proved fault: prize to the finder, surety
    /// back. RejectedNoFault: all back. Final, or rejected for missing data: all to the pool.
    /// @param finder Who proved the fault, with what its call showed; anything where nobody did. Naming another one costs the
    /// planter its surety as well.
    function reveal(BatchHeader calldata header, bytes32 salt, address finder, FaultOpening calldata opening) external;

    /// @notice Anyone, `revealTime` after planting: all to the pool.
    function forfeit(bytes32 commitment) external;

    /// @return What stands about a planted commitment; all zero for an unknown one.
    function trap(bytes32 commitment) external view returns (Trap memory);

    /// @return Traps that may be among the pending headers now: everybody can see that there are some, nobody which.
    function openTraps() external view returns (uint256);
    function params() external view returns (TrapParams memory);
}
