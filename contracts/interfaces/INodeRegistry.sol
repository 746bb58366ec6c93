// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {KeyType, Role} from "../types/Enums.sol";
import {IMeasurementPolicy} from "./IMeasurementPolicy.sol";

/// Where a node stands. PROTOCOL section 4; everything else reverts `NodeRegistryInvalidTransition`.
enum NodeStatus {
    None,
    Registered, // no valid key epoch yet, or the endpoint changed since
    Active, // key epoch, heartbeat and bond in order: takes work, is listed
    Dead, // heartbeats missed; the next heartbeat revives it
    Draining, // takes no new work, still settles what it did
    Exiting, // the exit clock runs
    Exited, // bond withdrawn or withdrawable
    Jailed, // under the minimum bond; `addBond` and a heartbeat lead out
    Banned // slashed to nothing
}

/// What stands behind a key epoch.
enum KeyStatus {
    None,
    Valid,
    Retired, // a newer epoch, a changed endpoint, or the image was revoked without a compromise; grace for older receipts
    Expired, // the attestation's own end; grace for older receipts
    Compromised // nothing new is accepted; headers posted since `compromisedSince` are void
}

/// What an operator states at registration. All but `role` and `workload` stands in the attestation's binding.
struct RegisterParams {
    Role role;
    address payout; // who the node's earnings are credited to; cold
    address paymentAuthorizer; // hot key: authorises claims (inference), signs committee statements (full); constant over key epochs
    string endpoint; // https URL, at most 256 bytes
    bytes32 tlsSpkiHash; // SHA-256 of the TLS key's SubjectPublicKeyInfo: clients pin it
    bytes32 hpkeKeyHash; // keccak256 of the OHTTP key configuration; 0 for none
    bytes32 policyId; // image policy that the node follows; 0 is the network's default
    bytes32 workload; // which program of the policy: keccak256("og.inference"), ("og.data"), ("og.full") or an own one
}

/// What opens a key epoch.
struct KeyParams {
    KeyType keyType;
    bytes publicKey; // shape by KeyType
    uint64 nonceBlock; // block whose hash makes the attestation's nonce; before the head, since a call at the head does not know the head's hash
    uint8 teeType; // which IAttestationVerifier reads the evidence
}

struct Node {
    address operator;
    address pendingOperator;
    address payout;
    address paymentAuthorizer;
    Role role;
    NodeStatus status;
    uint32 epoch; // key epochs opened so far
    uint64 lastHeartbeat; // block number
    bytes32 keyId; // current key epoch, 0 for none
    bytes32 tlsSpkiHash;
    bytes32 hpkeKeyHash;
    bytes32 policyId;
    bytes32 workload;
    string endpoint;
}

struct KeyEpoch {
    bytes32 nodeId;
    uint32 epoch;
    KeyType keyType;
    KeyStatus status; // as of now
    address signer; // Secp256k1: the key's address; else the contract whose code (after a 0 byte) is the public key
    bytes32 publicKeyHash;
    bytes32 imageId;
    bytes32 policyId;
    bytes32 workload;
    uint8 teeType;
    uint64 validFrom; // seconds
    uint64 validUntil; // seconds; the end of the whole certificate chain
    uint64 endedAt; // retired at; 0 while current
    uint64 compromisedSince; // 0 unless compromised
}

/// Bond ledger of one node. free + locked + exiting is its share of the contract's token balance.
struct Bond {
    uint96 free;
    uint96 locked; // behind pending headers
    uint96 exiting;
    uint64 exitAt; // seconds; when `exiting` can be withdrawn
}

/// Constructor parameters; inequalities of PROTOCOL section 9 are checked there.
struct RegistryParams {
    uint96 minBondInference;
    uint96 minBondData;
    uint96 minBondFull;
    uint64 beatMaxBlocks; // how old a heartbeat's block may be; <= 256 where EIP-2935 is absent
    uint64 heartbeatBlocks; // a node is dead that many blocks after its last heartbeat
    uint64 postGrace; // G_post: seconds in which receipts of an ended key epoch may still be posted
    uint64 exitDelay; // seconds
    uint64 stakeUnlock; // seconds; the exit delay of full nodes
    uint96 deadFee; // paid from the node's free bond to who marks it dead
}

/// Who acts on bonds, for good: named in the registry's constructor, before any of them exists (see Foundation).
struct Authorities {
    address settlement; // InferenceSettlement: locks, unlocks, slashes
    address committee; // Committee: slashes
    address court; // FaultCourt: slashes; with `demands` the arbiter of headers
    address demands; // Demands
    address pool; // FullNodeRewards: has the pool's part of slashes
}

/// A node's signature over Heartbeat(nodeId, blockNumber, hash of that block), in the short form of EIP-2098.
struct SignedHeartbeat {
    bytes32 nodeId;
    bytes32 r;
    bytes32 vs; // s, with the parity of v in the highest bit
}

/// @title Nodes, their keys, their bonds
/// @notice A node is one role of one operator: `nodeId = keccak256(chainId, registry, operator, n)`, never reused.
/// Its receipts are signed by the key of a *key epoch*, which is opened by an attestation under the image policy that
/// the node named. `keyId = keccak256(nodeId, epoch, publicKey)`; a public key belongs to one node ever.
///
/// ROLES. Operator (cold): registers, changes, drains, exits, withdraws. Payment authorizer (hot): may attest. Anyone:
/// heartbeats, markDead. `authorities`: lock, unlock, slash; they are fixed at deployment, and there is no admin (X2). Evidence is judged
/// by IAttestationGate, whose errors pass through.
/// TOKEN. The bond token is a plain ERC-20 without fee on transfer; amounts are checked by balance difference.
/// LIVENESS. Nothing here is pausable. Exits take `exitDelay` (full nodes: `stakeUnlock`), longer than every window that can slash.
/// TRUST. A registration proves what the attestation verifier and the policy's owner vouch for, nothing else.
interface INodeRegistry {
    event NodeRegistered(bytes32 indexed nodeId, address indexed operator, Role indexed role, RegisterParams params);
    event NodeStatusChanged(bytes32 indexed nodeId, NodeStatus from, NodeStatus to);
    event EndpointChanged(bytes32 indexed nodeId, string endpoint, bytes32 tlsSpkiHash, bytes32 hpkeKeyHash);
    event OperatorTransferStarted(bytes32 indexed nodeId, address indexed from, address indexed to);
    event OperatorTransferred(bytes32 indexed nodeId, address indexed from, address indexed to);
    event KeyEpochOpened(bytes32 indexed nodeId, bytes32 indexed keyId, KeyEpoch key, bytes publicKey);
    event KeyEpochRetired(bytes32 indexed nodeId, bytes32 indexed keyId, uint64 at);
    event KeyEpochCompromised(bytes32 indexed nodeId, bytes32 indexed keyId, uint64 since);
    event HeartbeatsAccepted(uint64 blockNumber, bytes32[] nodeIds);
    event BondAdded(bytes32 indexed nodeId, address indexed from, uint256 amount);
    event BondLocked(bytes32 indexed nodeId, bytes32 indexed subject, uint256 amount);
    event BondUnlocked(bytes32 indexed nodeId, bytes32 indexed subject, uint256 amount);
    event BondSlashed(bytes32 indexed nodeId, bytes32 indexed subject, uint256 amount, address indexed reporter, uint256 reward, uint256 burnt);
    event BondExiting(bytes32 indexed nodeId, uint256 amount, uint64 exitAt);
    event BondWithdrawn(bytes32 indexed nodeId, address indexed to, uint256 amount);
    event DeadFeePaid(bytes32 indexed nodeId, address indexed to, uint256 amount);
    event RewardWithdrawn(address indexed account, uint256 amount);

    error NodeRegistryBadParams(string field);
    error NodeRegistryUnknownNode(bytes32 nodeId);
    error NodeRegistryUnknownKey(bytes32 keyId);
    error NodeRegistryNotOperator(bytes32 nodeId, address caller);
    /// The caller is none of the `authorities` that may do this.
    error NodeRegistryNotAuthority(address caller);
    error NodeRegistryInvalidTransition(bytes32 nodeId, NodeStatus from, NodeStatus to);
    error NodeRegistryBondTooSmall(bytes32 nodeId, uint256 bond, uint256 minimum);
    error NodeRegistryInsufficientFree(bytes32 nodeId, uint256 free, uint256 wanted);
    error NodeRegistryInsufficientLocked(bytes32 nodeId, uint256 locked, uint256 wanted);
    error NodeRegistryTokenAmount(uint256 expected, uint256 received);
    error NodeRegistryBadPublicKey(KeyType keyType, uint256 length);
    error NodeRegistryPublicKeyTaken(bytes32 publicKeyHash, bytes32 nodeId);
    error NodeRegistryKeyNotValid(bytes32 keyId, KeyStatus status);
    error NodeRegistryKeyNotOfNode(bytes32 keyId, bytes32 nodeId);
    error NodeRegistryWrongRole(bytes32 nodeId, Role role, Role expected);
    error NodeRegistryIssuedOutside(bytes32 keyId, uint64 issuedAt, uint64 validFrom, uint64 validUntil);
    error NodeRegistryHeartbeatOld(bytes32 nodeId, uint64 blockNumber, uint64 last);
    error NodeRegistryHeartbeatBlock(uint64 blockNumber, uint256 current);
    error NodeRegistryBadSignature(bytes32 nodeId);
    error NodeRegistryKeyStillValid(bytes32 nodeId, bytes32 keyId);
    error NodeRegistryStillAlive(bytes32 nodeId, uint64 deadAfterBlock);
    error NodeRegistryNotYet(uint256 now_, uint256 readyAt);
    error NodeRegistryLimit(uint256 limit, uint256 maximum);

    // -------------------------------------------------------------------------------------------- operators

    /// @notice Registers a node and takes its first bond from the caller (ERC-20 approval needed).
    function register(RegisterParams calldata params, uint96 bondAmount) external returns (bytes32 nodeId);

    /// @notice Opens a key epoch: verifies the evidence, its binding to this registration and the image's approval.
    /// The epoch before it retires. A Registered or Dead node with enough bond becomes Active.
    /// @param evidence As IAttestationVerifier of `params.teeType` takes it.
    /// @param hints Same.
    function attest(bytes32 nodeId, KeyParams calldata params, bytes calldata evidence, bytes calldata hints)
        external
        returns (bytes32 keyId);

    /// @notice Changes where the node is reached. The key epoch retires: its attestation bound the old endpoint.
    function setEndpoint(bytes32 nodeId, string calldata endpoint, bytes32 tlsSpkiHash, bytes32 hpkeKeyHash) external;

    /// @notice Ends the current key epoch because the key may have leaked. Headers posted since `since` become void.
    function reportCompromise(bytes32 nodeId, bytes32 keyId, uint64 since) external;

    /// @notice Operator: names who may take the node over; 0 takes the offer back.
    function transferOperator(bytes32 nodeId, address to) external;
    /// @notice Who was named takes the node over, with its bond and its duties.
    function acceptOperator(bytes32 nodeId) external;

    /// @notice Anyone may add to a node's bond. Leads a Jailed node with enough bond back to Registered.
    function addBond(bytes32 nodeId, uint96 amount) external;

    /// @notice Active, Registered, Dead or Jailed -> Draining: no new work, not listed.
    function drain(bytes32 nodeId) external;

    /// @notice Draining -> Exiting: starts the exit clock. Needs locked == 0.
    function exit(bytes32 nodeId) external;

    /// @notice Takes part of the free bond out after the exit delay, down to the minimum. A second call restarts the clock.
    function reduceBond(bytes32 nodeId, uint96 amount) external;

    /// @notice Pays out `exiting` once its time has come; Exiting -> Exited.
    function withdraw(bytes32 nodeId, address to) external;

    // -------------------------------------------------------------------------------------------- anyone

    /// @notice Takes one heartbeat: the node's current key over Heartbeat(nodeId, blockNumber, hash of that block). Block
    /// numbers are strictly increasing per node, and recent.
    /// @dev Says that the key's holder is alive, no more. Whether the image was revoked meanwhile is read where trust is
    /// consumed: `isActive`, `activeNodes`, `keyValidAt`, IKeyLedger.signingKey, and before a heartbeat leads back to Active.
    function heartbeat(bytes32 nodeId, uint64 blockNumber, bytes calldata signature) external;

    /// @notice Heartbeats of many Secp256k1 nodes for one block. A bad one is skipped and missing in `HeartbeatsAccepted`.
    function heartbeats(uint64 blockNumber, SignedHeartbeat[] calldata beats) external;

    /// @notice Active -> Dead, `heartbeatBlocks` after the last heartbeat. Pays `deadFee` to the caller, no principal.
    function markDead(bytes32 nodeId) external;

    /// @notice Active -> Registered: anyone, for a node whose key epoch is not valid any more (expired, image revoked).
    function demote(bytes32 nodeId) external;

    /// @notice Pays what slashing reports have earned the caller.
    function withdrawReward() external;

    // -------------------------------------------------------------------------------------------- authorities

    /// @notice Settlement: free -> locked. `subject` is the header's hash.
    function lockBond(bytes32 nodeId, uint96 amount, bytes32 subject) external;

    /// @notice Settlement: locked -> free.
    function unlockBond(bytes32 nodeId, uint96 amount, bytes32 subject) external;

    /// @notice Settlement, committee, court: takes up to `amount`, first from locked (if `fromLocked`), then free, then exiting.
    /// 30 % go to `reporter` (0: none), 40 % are burnt, the rest feeds the pool of full nodes' rewards.
    function slash(bytes32 nodeId, bytes32 subject, uint96 amount, bool fromLocked, address reporter) external returns (uint96 taken);

    // -------------------------------------------------------------------------------------------- views

    /// @return What stands about a node; all zero for an unknown one.
    function node(bytes32 nodeId) external view returns (Node memory);
    /// @notice A key epoch, with its status as of now. Reverts `NodeRegistryUnknownKey`.
    function key(bytes32 keyId) external view returns (KeyEpoch memory);
    /// @return The key as it was given to `attest`. Reverts `NodeRegistryUnknownKey`.
    function publicKey(bytes32 keyId) external view returns (bytes memory);
    /// @return A node's sub-accounts, in units of the bond token; all zero for an unknown node.
    function bond(bytes32 nodeId) external view returns (Bond memory);

    /// @return total Sum of free + locked + exiting of all nodes of the role (S7).
    function bondTotal(Role role) external view returns (uint256 total);

    /// @return Units of the bond token below which a node of the role is jailed.
    function minBond(Role role) external view returns (uint96);
    function params() external view returns (RegistryParams memory);
    /// @return Who may lock, slash and reject, and who has the pool's part of slashes. Never changes.
    function authorities() external view returns (Authorities memory);

    /// @return What slashing has earned the account and it has not withdrawn, in units of the bond token.
    function reward(address account) external view returns (uint256);

    /// @notice A page of nodes that are Active with a valid key epoch, in no particular order.
    /// @param limit At most 100; a page may hold fewer and not be the last.
    /// @return nodeIds The page.
    /// @return next Cursor of the next page, 0 at the end.
    function activeNodes(Role role, uint256 cursor, uint256 limit) external view returns (bytes32[] memory nodeIds, uint256 next);

    /// @return Nodes in the list of the role, those included whose key ended and which nobody has demoted yet.
    function activeCount(Role role) external view returns (uint256);

    /// @return Whether the node is Active and its key epoch is valid now.
    function isActive(bytes32 nodeId) external view returns (bool);

    /// @notice Whether a receipt issued at `issuedAt` by this key may be posted at `postedAt`.
    function keyValidAt(bytes32 keyId, uint64 issuedAt, uint64 postedAt) external view returns (bool);

    /// @return Image policies, and in the same contract what verifiers read of this registry's keys (IKeyLedger.signingKey).
    function POLICY() external view returns (IMeasurementPolicy);

    /// @return The node's image policy; fixed at registration.
    function policyOf(bytes32 nodeId) external view returns (bytes32);

    /// @return since Time from which headers under this key are void; 0 while the key is not compromised.
    function compromisedSince(bytes32 keyId) external view returns (uint64 since);

    /// @return Whether `signature` over `digest` is the key's, whatever the key's state.
    function verifySignature(bytes32 keyId, bytes32 digest, bytes calldata signature) external view returns (bool);

    /// @notice What the attestation's user data must be: keccak256(abi.encode(BINDING_TYPEHASH, chainId, registry,
    /// operator, nodeId, payout, paymentAuthorizer, policyId, workload, keyType, keccak256(publicKey),
    /// keccak256(endpoint), tlsSpkiHash, hpkeKeyHash)), 32 bytes.
    function bindingHash(bytes32 nodeId, KeyType keyType, bytes calldata publicKey_) external view returns (bytes32);

    /// @notice What the attestation's nonce must be: keccak256(abi.encode(NONCE_TYPEHASH, chainId, registry, operator,
    /// nonceBlock, blockhash(nonceBlock))), 32 bytes.
    function attestationNonce(address operator, uint64 nonceBlock) external view returns (bytes32);

    /// @param n Which of the operator's nodes, from 0.
    function nodeIdOf(address operator, uint256 n) external view returns (bytes32);

    /// @return Number of nodes that this operator registered so far: the next node's `n`.
    function nodeCount(address operator) external view returns (uint256);

    /// @notice EIP-712 domain of heartbeats.
    function domainSeparator() external view returns (bytes32);
}
