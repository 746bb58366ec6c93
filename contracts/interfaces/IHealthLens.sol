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

    /// @notice S1: the lock of a pending header stands in the node's locked bond. S2: the node's tip is this header, or a later
    /// one. S4: a Final header has no open demand, and a Final batch has run its window.
    function header(BatchHeader calldata value) external view returns (Finding[] memory);

    /// @notice Of nodes with a key that counts now: R5 its image is approved under the node's own policy; R6 it ends in the future,
    /// with its certificate chain; R7 nothing revoked or compromised stands behind it. Of all: R9 the current key is the node's own.
    function keys(bytes32[] calldata nodeIds) external view returns (Finding[] memory);

    /// @notice Of a page of model versions: R8 the id is the hash of what stands under it; S12 the verifier is still the one of its key.
    function models(uint256 cursor, uint256 limit) external view returns (Finding[] memory);

    /// @notice The committee is alive: its epoch is not over by more than the grace, and its quorums count.
    function committee() external view returns (Finding[] memory);

    /// @notice All that needs no argument.
    function all() external view returns (Finding[] memory);
}
