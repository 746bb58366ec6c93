// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Role} from "../types/Enums.sol";
import {SigningKey} from "../types/SigningKey.sol";

/// What somebody wants to do with a key.
struct KeyUse {
    address registrar; // whose keys: the registry that the asking contract trusts
    bytes32 nodeId;
    bytes32 keyId;
    Role role; // that the node must have
    uint64 minIssuedAt; // seconds; of the first statement under the key
    uint64 maxIssuedAt; // seconds; of the last one
    uint64 aliveAt; // seconds; before this the key must not have ended: when the statements are posted, less the grace
}

/// @title Keys beside the images that they run in
/// @notice All that settlement and feeds ask about a key epoch, in one call to one contract and two slots: the key's word and its
/// image's entry. A registry writes here what it decided about its keys; the image's revocation reaches them all without a write.
/// TRUST. Everybody may write, each in a room of its own (`msg.sender`), and who asks says whose room it means. So no right is
/// needed, and none given: what the NodeRegistry wrote only the NodeRegistry can change.
interface IKeyLedger {
    /// What was asked is no key ledger.
    error KeyLedgerSilent(address ledger);

    /// @notice Sets the caller's word for a key; 0 forgets it. No event: registries have their own.
    function setSigningKey(bytes32 nodeId, bytes32 keyId, SigningKey key) external;

    /// @notice Reverts, by a name of INodeRegistry, unless the key is this node's, the node has the role, neither key nor image is
    /// compromised, and what was issued in [minIssuedAt, maxIssuedAt] may still be posted.
    /// @return key The registrar's word: how the key signs, and the signer.
    /// @return policyPrefix First 16 bytes of the node's policyId: compare it with bytes16 of the policy that was asked for.
    /// Why 16 bytes are enough is said at IMeasurementPolicy.standing.
    function signingKey(KeyUse calldata use) external view returns (SigningKey key, bytes16 policyPrefix);
}
