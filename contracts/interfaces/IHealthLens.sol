// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Role} from "../types/Enums.sol";
import {BatchHeader} from "../types/Batch.sol";

/// What a check found: `ok`, and the two numbers that it compared.
struct Finding {
    string id; // the invariant's number, e.g. "S7"
    bool ok;
    uint256 left;
    uint256 right;
}

/// @title Health of the settlement chain
/// @notice The numbered invariants (docs/INVARIANTS.md) that a view can check, one function each and all at once, the same in
/// tests, for `og health` against a live chain, and as a metric. Nothing here reverts on an unhealthy chain.
interface IHealthLens {
    /// @notice S7, for one role: the bonds of `nodeIds` do not exceed the role's ledger. Equality when all nodes are given.
    function bondLedger(Role role, bytes32[] calldata nodeIds) external view returns (Finding memory);

    /// @notice S7, for all: the registry's token balance covers the ledgers of all roles.
    function bondBacking() external view returns (Finding memory);

    /// @notice R4: every listed node of the page is Active in status and bonded to its minimum.
    function activeBonds(Role role, uint256 cursor, uint256 limit) external view returns (Finding memory);

    /// @notice S1, S4: a Final header has no open demand, and the lock of a pending one stands in the node's locked bond.
    function header(BatchHeader calldata value) external view returns (Finding[] memory);

    /// @notice The committee is alive: its epoch is not over by more than the grace, and its quorums count.
    function committee() external view returns (Finding[] memory);

    /// @notice All that needs no argument.
    function all() external view returns (Finding[] memory);
}
