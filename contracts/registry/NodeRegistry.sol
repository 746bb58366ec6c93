// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

import {IAttestationGate} from "../interfaces/IAttestationGate.sol";
import {IMeasurementPolicy} from "../interfaces/IMeasurementPolicy.sol";
import {
    Authorities,
    Bond,
    INodeRegistry,
    KeyParams,
    KeyStatus,
    Node,
    NodeStatus,
    RegisterParams,
    RegistryParams,
    SignedHeartbeat
} from "../interfaces/INodeRegistry.sol";
import {ISignatureChecker} from "../interfaces/ISignatureChecker.sol";
import {Frame, HeartbeatFrame} from "../libraries/HeartbeatFrame.sol";
import {NodeSignatures} from "../libraries/NodeSignatures.sol";
import {Paging} from "../libraries/Paging.sol";
import {ProtocolDomain} from "../libraries/ProtocolDomain.sol";
import {KeyType, Role} from "../types/Enums.sol";
import {Live, LiveLib} from "./Live.sol";
import {NodeBonds} from "./NodeBonds.sol";
import {NodeKeys} from "./NodeKeys.sol";

/// @title Nodes and their lives
contract NodeRegistry is NodeKeys {
    uint256 private constant MAX_ENDPOINT = 256;
    /// The states that each state may move to: bit s for state s. PROTOCOL section 4.
    uint256 private constant FROM_REGISTERED =
        (1 << uint8(NodeStatus.Active)) | (1 << uint8(NodeStatus.Draining)) | (1 << uint8(NodeStatus.Jailed)) | (1 << uint8(NodeStatus.Banned));
    uint256 private constant FROM_ACTIVE = (1 << uint8(NodeStatus.Registered)) | (1 << uint8(NodeStatus.Dead))
        | (1 << uint8(NodeStatus.Draining)) | (1 << uint8(NodeStatus.Jailed)) | (1 << uint8(NodeStatus.Banned));
    uint256 private constant FROM_DEAD = (1 << uint8(NodeStatus.Registered)) | (1 << uint8(NodeStatus.Active))
        | (1 << uint8(NodeStatus.Draining)) | (1 << uint8(NodeStatus.Jailed)) | (1 << uint8(NodeStatus.Banned));
    uint256 private constant FROM_DRAINING = (1 << uint8(NodeStatus.Exiting)) | (1 << uint8(NodeStatus.Banned));
    uint256 private constant FROM_EXITING = (1 << uint8(NodeStatus.Exited)) | (1 << uint8(NodeStatus.Banned));
    uint256 private constant FROM_JAILED =
        (1 << uint8(NodeStatus.Registered)) | (1 << uint8(NodeStatus.Draining)) | (1 << uint8(NodeStatus.Banned));

    bytes32 private immutable DOMAIN;

    mapping(address operator => uint256) private _counts;
    mapping(Role => bytes32[]) private _active;

    constructor(
        IERC20 token,
        IMeasurementPolicy policy,
        IAttestationGate gate,
        ISignatureChecker signatures,
        RegistryParams memory params_,
        Authorities memory named
    ) NodeBonds(token, params_, named) NodeKeys(policy, gate, signatures) {
        DOMAIN = ProtocolDomain.separator(block.chainid, address(this));
    }

    modifier onlyOperator(bytes32 nodeId) {
        require(_known(nodeId).operator == msg.sender, NodeRegistryNotOperator(nodeId, msg.sender));
        _;
    }

    // -------------------------------------------------------------------------------------------- operators

    /// @inheritdoc INodeRegistry
    function register(RegisterParams calldata params_, uint96 bondAmount) external override returns (bytes32 nodeId) {
        require(params_.role != Role.None, NodeRegistryBadParams("role"));
        require(params_.payout != address(0), NodeRegistryBadParams("payout"));
        require(params_.paymentAuthorizer != address(0), NodeRegistryBadParams("paymentAuthorizer"));
        require(params_.workload != 0, NodeRegistryBadParams("workload"));
        _checkEndpoint(params_.endpoint);

        nodeId = nodeIdOf(msg.sender, _counts[msg.sender]++);
        Record storage record = _records[nodeId];
        record.operator = msg.sender;
        record.payout = params_.payout;
        record.paymentAuthorizer = params_.paymentAuthorizer;
        record.tlsSpkiHash = params_.tlsSpkiHash;
        record.hpkeKeyHash = params_.hpkeKeyHash;
        record.policyId = params_.policyId;
        record.workload = params_.workload;
        record.endpoint = params_.endpoint;
        _live[nodeId] = _live[nodeId].withRole(params_.role).withStatus(NodeStatus.Registered);
        emit NodeRegistered(nodeId, msg.sender, params_.role, params_);
        emit NodeStatusChanged(nodeId, NodeStatus.None, NodeStatus.Registered);
        _deposit(nodeId, params_.role, bondAmount);
    }

    /// @inheritdoc INodeRegistry
    function attest(bytes32 nodeId, KeyParams calldata params_, bytes calldata evidence, bytes calldata hints)
        external
        override
        returns (bytes32 keyId)
    {
        Record storage record = _known(nodeId);
        bool allowed = msg.sender == record.operator || msg.sender == record.paymentAuthorizer;
        require(allowed, NodeRegistryNotOperator(nodeId, msg.sender));
        NodeStatus status = _live[nodeId].status();
        bool willWork = status == NodeStatus.Registered || status == NodeStatus.Active || status == NodeStatus.Dead;
        // A draining node may still have to sign headers for what it did.
        require(willWork || status == NodeStatus.Draining, NodeRegistryInvalidTransition(nodeId, status, NodeStatus.Active));

        keyId = _openEpoch(nodeId, params_, evidence, hints);
        if (!willWork) return keyId;
        // As alive as a heartbeat of the block before would make it.
        uint64 seen = uint64(block.number - 1);
        if (_live[nodeId].lastBlock() < seen) _live[nodeId] = _live[nodeId].withLastBlock(seen);
        if (status != NodeStatus.Active) _activate(nodeId);
    }

    /// @inheritdoc INodeRegistry
    function setEndpoint(bytes32 nodeId, string calldata endpoint, bytes32 tlsSpkiHash, bytes32 hpkeKeyHash)
        external
        override
        onlyOperator(nodeId)
    {
        _checkEndpoint(endpoint);
        Record storage record = _records[nodeId];
        (record.endpoint, record.tlsSpkiHash, record.hpkeKeyHash) = (endpoint, tlsSpkiHash, hpkeKeyHash);
        emit EndpointChanged(nodeId, endpoint, tlsSpkiHash, hpkeKeyHash);
        _retire(nodeId);
        NodeStatus status = _live[nodeId].status();
        if (status == NodeStatus.Active || status == NodeStatus.Dead) _move(nodeId, NodeStatus.Registered);
    }

    /// @inheritdoc INodeRegistry
    function reportCompromise(bytes32 nodeId, bytes32 keyId, uint64 since) external override onlyOperator(nodeId) {
        KeyRecord storage record = _knownKey(keyId);
        require(record.nodeId == nodeId, NodeRegistryKeyNotOfNode(keyId, nodeId));
        require(since != 0 && since <= block.timestamp, NodeRegistryBadParams("since"));
        // A compromise may turn out older than thought, never younger.
        require(record.compromisedSince == 0 || since < record.compromisedSince, NodeRegistryBadParams("since"));
        record.compromisedSince = uint40(since);
        _publish(keyId);
        emit KeyEpochCompromised(nodeId, keyId, since);
        if (_records[nodeId].keyId != keyId) return;
        _retire(nodeId);
        NodeStatus status = _live[nodeId].status();
        if (status == NodeStatus.Active || status == NodeStatus.Dead) _move(nodeId, NodeStatus.Registered);
    }

    /// @inheritdoc INodeRegistry
    function transferOperator(bytes32 nodeId, address to) external override onlyOperator(nodeId) {
        _records[nodeId].pendingOperator = to;
        emit OperatorTransferStarted(nodeId, msg.sender, to);
    }

    /// @inheritdoc INodeRegistry
    function acceptOperator(bytes32 nodeId) external override {
        Record storage record = _known(nodeId);
        require(record.pendingOperator == msg.sender, NodeRegistryNotOperator(nodeId, msg.sender));
        emit OperatorTransferred(nodeId, record.operator, msg.sender);
        (record.operator, record.pendingOperator) = (msg.sender, address(0));
    }

    /// @inheritdoc INodeRegistry
    function addBond(bytes32 nodeId, uint96 amount) external override {
        _known(nodeId);
        Live live = _live[nodeId];
        bool gone = live.status() == NodeStatus.Exiting || live.status() == NodeStatus.Exited || live.status() == NodeStatus.Banned;
        require(!gone, NodeRegistryInvalidTransition(nodeId, live.status(), NodeStatus.Registered));
        _deposit(nodeId, live.role(), amount);
        if (live.status() == NodeStatus.Jailed && _standing(nodeId) >= minBond(live.role())) _move(nodeId, NodeStatus.Registered);
    }

    /// @inheritdoc INodeRegistry
    function drain(bytes32 nodeId) external override onlyOperator(nodeId) {
        _move(nodeId, NodeStatus.Draining);
    }

    /// @inheritdoc INodeRegistry
    function exit(bytes32 nodeId) external override onlyOperator(nodeId) {
        _move(nodeId, NodeStatus.Exiting);
        Bond storage account = _bonds[nodeId];
        // A pending header may still be proved wrong.
        require(account.locked == 0, NodeRegistryInsufficientLocked(nodeId, account.locked, 0));
        _retire(nodeId);
        _startExit(nodeId, _live[nodeId].role(), account.free);
    }

    /// @inheritdoc INodeRegistry
    function reduceBond(bytes32 nodeId, uint96 amount) external override onlyOperator(nodeId) {
        Role role = _live[nodeId].role();
        uint256 standing = _standing(nodeId);
        require(standing >= uint256(amount) + minBond(role), NodeRegistryBondTooSmall(nodeId, standing, uint256(amount) + minBond(role)));
        _startExit(nodeId, role, amount);
    }

    /// @inheritdoc INodeRegistry
    function withdraw(bytes32 nodeId, address to) external override onlyOperator(nodeId) {
        require(to != address(0), NodeRegistryBadParams("to"));
        if (_live[nodeId].status() == NodeStatus.Exiting) _move(nodeId, NodeStatus.Exited);
        _payExit(nodeId, _live[nodeId].role(), to);
    }

    // -------------------------------------------------------------------------------------------- anyone

    /// @inheritdoc INodeRegistry
    function heartbeat(bytes32 nodeId, uint64 blockNumber, bytes calldata signature) external override {
        Frame frame = HeartbeatFrame.open(blockNumber, _recentHash(blockNumber), DOMAIN, 1);
        bytes32 digest = frame.digest(nodeId);
        Live live = _live[nodeId];
        require(blockNumber > live.lastBlock(), NodeRegistryHeartbeatOld(nodeId, blockNumber, live.lastBlock()));
        if (block.timestamp >= live.validUntil()) _refuseKeyOf(nodeId);
        bool signed = live.signer() == address(0)
            ? _verify(_keys[_records[nodeId].keyId], digest, signature)
            : NodeSignatures.verify(SIGNATURES, KeyType.Secp256k1, live.signer(), digest, signature);
        require(signed, NodeRegistryBadSignature(nodeId));

        frame.accept(nodeId);
        frame.log();
        _live[nodeId] = live.withLastBlock(blockNumber);
        _revive(nodeId, live);
    }

    /// @inheritdoc INodeRegistry
    function heartbeats(uint64 blockNumber, SignedHeartbeat[] calldata beats) external override {
        Frame frame = HeartbeatFrame.open(blockNumber, _recentHash(blockNumber), DOMAIN, beats.length);
        uint256 count = beats.length;
        for (uint256 i = 0; i < count; ++i) {
            SignedHeartbeat calldata beat = HeartbeatFrame.at(beats, i);
            bytes32 slot = LiveLib.slotOf(_live, beat.nodeId);
            Live live = LiveLib.load(slot);
            if (live.lastBlock() >= blockNumber || block.timestamp >= live.validUntil()) continue;
            if (!frame.signedBy(beat, live.signer())) continue;
            frame.accept(beat.nodeId);
            live.withLastBlock(blockNumber).store(slot);
            if (!live.isActive()) _revive(beat.nodeId, live);
        }
        frame.log();
    }

    /// @inheritdoc INodeRegistry
    function markDead(bytes32 nodeId) external override {
        _known(nodeId);
        Live live = _live[nodeId];
        uint256 deadline = uint256(live.lastBlock()) + _params.heartbeatBlocks;
        require(block.number > deadline, NodeRegistryStillAlive(nodeId, uint64(deadline)));
        _move(nodeId, NodeStatus.Dead);
        _payDeadFee(nodeId, live.role(), msg.sender);
    }

    /// @inheritdoc INodeRegistry
    function demote(bytes32 nodeId) external override {
        bytes32 keyId = _known(nodeId).keyId;
        require(!_keyValidNow(keyId), NodeRegistryKeyStillValid(nodeId, keyId));
        NodeStatus status = _live[nodeId].status();
        require(status == NodeStatus.Active, NodeRegistryInvalidTransition(nodeId, status, NodeStatus.Registered));
        _move(nodeId, NodeStatus.Registered);
    }

    // -------------------------------------------------------------------------------------------- views

    /// @inheritdoc INodeRegistry
    function node(bytes32 nodeId) external view override returns (Node memory) {
        Record storage record = _records[nodeId];
        Live live = _live[nodeId];
        return Node({
            operator: record.operator,
            pendingOperator: record.pendingOperator,
            payout: record.payout,
            paymentAuthorizer: record.paymentAuthorizer,
            role: live.role(),
            status: live.status(),
            epoch: record.epoch,
            lastHeartbeat: live.lastBlock(),
            keyId: record.keyId,
            tlsSpkiHash: record.tlsSpkiHash,
            hpkeKeyHash: record.hpkeKeyHash,
            policyId: record.policyId,
            workload: record.workload,
            endpoint: record.endpoint
        });
    }

    /// @inheritdoc INodeRegistry
    function activeNodes(Role role, uint256 cursor, uint256 limit) external view override returns (bytes32[] memory nodeIds, uint256 next) {
        require(limit <= Paging.MAX, NodeRegistryLimit(limit, Paging.MAX));
        (nodeIds, next) = Paging.page(_active[role], cursor, limit);
        uint256 kept = 0;
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            if (_keyValidNow(_records[nodeIds[i]].keyId)) nodeIds[kept++] = nodeIds[i];
        }
        assembly ("memory-safe") {
            mstore(nodeIds, kept)
        }
    }

    /// @inheritdoc INodeRegistry
    function activeCount(Role role) external view override returns (uint256) {
        return _active[role].length;
    }

    /// @inheritdoc INodeRegistry
    function isActive(bytes32 nodeId) external view override returns (bool) {
        return _live[nodeId].status() == NodeStatus.Active && _keyValidNow(_records[nodeId].keyId);
    }

    /// @inheritdoc INodeRegistry
    function nodeCount(address operator) external view override returns (uint256) {
        return _counts[operator];
    }

    /// @inheritdoc INodeRegistry
    function domainSeparator() external view override returns (bytes32) {
        return DOMAIN;
    }

    /// @inheritdoc INodeRegistry
    function nodeIdOf(address operator, uint256 n) public view override returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), operator, n));
    }

    // -------------------------------------------------------------------------------------------- internal

    function _roleOf(bytes32 nodeId) internal view override returns (Role) {
        return _live[nodeId].role();
    }

    function _afterSlash(bytes32 nodeId) internal override {
        Live live = _live[nodeId];
        uint256 standing = _standing(nodeId);
        if (standing == 0 && _bonds[nodeId].exiting == 0) {
            if (live.status() != NodeStatus.Banned && live.status() != NodeStatus.Exited) _move(nodeId, NodeStatus.Banned);
            return;
        }
        bool works = live.status() == NodeStatus.Active || live.status() == NodeStatus.Dead || live.status() == NodeStatus.Registered;
        if (works && standing < minBond(live.role())) _move(nodeId, NodeStatus.Jailed);
    }

    /// The one place where a status changes.
    function _move(bytes32 nodeId, NodeStatus to) private {
        Live live = _live[nodeId];
        NodeStatus from = live.status();
        require((_targets(from) >> uint8(to)) & 1 == 1, NodeRegistryInvalidTransition(nodeId, from, to));
        _live[nodeId] = live.withStatus(to);
        if (from == NodeStatus.Active) _unlist(nodeId, live.role());
        if (to == NodeStatus.Active) {
            _active[live.role()].push(nodeId);
            _records[nodeId].listIndex = uint64(_active[live.role()].length);
        }
        emit NodeStatusChanged(nodeId, from, to);
    }

    /// Registered or Dead -> Active, if the bond is there; key and heartbeat were just checked.
    function _activate(bytes32 nodeId) private {
        uint256 standing = _standing(nodeId);
        uint256 minimum = minBond(_live[nodeId].role());
        require(standing >= minimum, NodeRegistryBondTooSmall(nodeId, standing, minimum));
        _move(nodeId, NodeStatus.Active);
    }

    /// Dead or Registered -> Active after a heartbeat.
    function _revive(bytes32 nodeId, Live live) private {
        bool revives = live.status() == NodeStatus.Dead || live.status() == NodeStatus.Registered;
        // A dead node paid a fee and may be under its minimum, or its image was revoked: it stays out without failing a whole batch.
        if (revives && _standing(nodeId) >= minBond(live.role()) && _keyValidNow(_records[nodeId].keyId)) _move(nodeId, NodeStatus.Active);
    }

    /// Swaps the last one into the leaver's place.
    function _unlist(bytes32 nodeId, Role role) private {
        bytes32[] storage list = _active[role];
        uint64 place = _records[nodeId].listIndex;
        bytes32 last = list[list.length - 1];
        list[place - 1] = last;
        _records[last].listIndex = place;
        _records[nodeId].listIndex = 0;
        list.pop();
    }

    /// What stands behind a node's work; what is exiting does not count.
    function _standing(bytes32 nodeId) private view returns (uint256) {
        return uint256(_bonds[nodeId].free) + _bonds[nodeId].locked;
    }

    function _known(bytes32 nodeId) private view returns (Record storage record) {
        record = _records[nodeId];
        require(record.operator != address(0), NodeRegistryUnknownNode(nodeId));
    }

    /// Why a node without a valid key is refused.
    function _refuseKeyOf(bytes32 nodeId) private view {
        bytes32 keyId = _known(nodeId).keyId;
        revert NodeRegistryKeyNotValid(keyId, keyId == 0 ? KeyStatus.None : _statusOf(keyId));
    }

    function _recentHash(uint64 blockNumber) private view returns (bytes32 blockHash) {
        bool recent = blockNumber < block.number && block.number - blockNumber <= BEAT_MAX_BLOCKS;
        if (recent) blockHash = Blockhash.blockHash(blockNumber);
        // Beyond 256 blocks the hash comes from EIP-2935; a chain without it answers zero.
        require(blockHash != 0, NodeRegistryHeartbeatBlock(blockNumber, block.number));
    }

    function _checkEndpoint(string calldata endpoint) private pure {
        uint256 length = bytes(endpoint).length;
        require(length != 0 && length <= MAX_ENDPOINT, NodeRegistryBadParams("endpoint"));
    }

    function _targets(NodeStatus from) private pure returns (uint256) {
        if (from == NodeStatus.Registered) return FROM_REGISTERED;
        if (from == NodeStatus.Active) return FROM_ACTIVE;
        if (from == NodeStatus.Dead) return FROM_DEAD;
        if (from == NodeStatus.Draining) return FROM_DRAINING;
        if (from == NodeStatus.Exiting) return FROM_EXITING;
        if (from == NodeStatus.Jailed) return FROM_JAILED;
        return 0;
    }
}
