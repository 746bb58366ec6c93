// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {CommitteeEpoch, ICommittee} from "../interfaces/ICommittee.sol";
import {Finding, IHealthLens} from "../interfaces/IHealthLens.sol";
import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {IMeasurementPolicy} from "../interfaces/IMeasurementPolicy.sol";
import {ModelVersion} from "../interfaces/IModelRegistry.sol";
import {Bond, INodeRegistry, KeyEpoch, KeyStatus, Node, NodeStatus} from "../interfaces/INodeRegistry.sol";
import {ModelRegistry} from "../registry/ModelRegistry.sol";
import {BatchHeader} from "../types/Batch.sol";
import {BatchStatus, Role} from "../types/Enums.sol";
import {Batch} from "../types/Settlement.sol";

/// @title Health of the settlement chain
contract HealthLens is IHealthLens {
    uint256 private constant PAGE = 100;

    INodeRegistry public immutable REGISTRY;
    IERC20 public immutable TOKEN;
    IInferenceSettlement public immutable SETTLEMENT;
    ICommittee public immutable COMMITTEE;
    IMeasurementPolicy public immutable POLICY;
    ModelRegistry public immutable MODELS;

    constructor(
        INodeRegistry registry,
        IERC20 token,
        IInferenceSettlement settlement,
        ICommittee committee_,
        IMeasurementPolicy policy,
        ModelRegistry models_
    ) {
        (REGISTRY, TOKEN, SETTLEMENT, COMMITTEE) = (registry, token, settlement, committee_);
        (POLICY, MODELS) = (policy, models_);
    }

    /// @inheritdoc IHealthLens
    function bondLedger(Role role, bytes32[] calldata nodeIds) external view override returns (Finding memory) {
        uint256 sum = 0;
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            Bond memory account = REGISTRY.bond(nodeIds[i]);
            sum += uint256(account.free) + account.locked + account.exiting;
        }
        return _atMost("S7", sum, REGISTRY.bondTotal(role));
    }

    /// @inheritdoc IHealthLens
    function header(BatchHeader calldata value) external view override returns (Finding[] memory list) {
        list = new Finding[](4);
        bytes32 hash = SETTLEMENT.headerHash(value);
        Batch memory entry = SETTLEMENT.batch(value);
        BatchStatus status = entry.status;
        bool known = status != BatchStatus.None;
        bool pending = status == BatchStatus.Posted || status == BatchStatus.Certified;
        bool isFinal = status == BatchStatus.Final;
        list[0] = _atMost("S4", isFinal ? entry.openDemands : 0, 0);
        uint256 lock = pending ? SETTLEMENT.lockOf(value.totalCharge, entry.fullBond) : 0;
        list[1] = _atMost("S1", lock, REGISTRY.bond(value.nodeId).locked);
        (uint64 nonce, bytes24 tip) = SETTLEMENT.tip(value.nodeId);
        bool chained = nonce > value.nonce || (nonce == value.nonce && tip == bytes24(hash));
        list[2] = Finding("S2", !known || chained, value.nonce, nonce);
        // An individual settlement names no blob: it was verified whole, and had no window to run.
        (uint256 time,) = SETTLEMENT.finalizableAt(value);
        list[3] = _atMost("S4", isFinal && value.blobId != 0 ? time : 0, block.timestamp);
    }

    /// @inheritdoc IHealthLens
    function keys(bytes32[] calldata nodeIds) external view override returns (Finding[] memory list) {
        uint256 valid = 0;
        uint256[4] memory good;
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            Node memory node = REGISTRY.node(nodeIds[i]);
            if (node.keyId == 0) {
                ++good[3];
                continue;
            }
            KeyEpoch memory key = REGISTRY.key(node.keyId);
            if (key.nodeId == nodeIds[i]) ++good[3];
            if (!REGISTRY.keyValidAt(node.keyId, uint64(block.timestamp), uint64(block.timestamp))) continue;
            ++valid;
            if (key.policyId == node.policyId && POLICY.isApproved(key.policyId, key.workload, key.imageId)) ++good[0];
            if (key.validFrom <= block.timestamp && block.timestamp < key.validUntil) ++good[1];
            if (key.status == KeyStatus.Valid && key.compromisedSince == 0) ++good[2];
        }
        list = new Finding[](4);
        list[0] = Finding("R5", good[0] == valid, good[0], valid);
        list[1] = Finding("R6", good[1] == valid, good[1], valid);
        list[2] = Finding("R7", good[2] == valid, good[2], valid);
        list[3] = Finding("R9", good[3] == nodeIds.length, good[3], nodeIds.length);
    }

    /// @inheritdoc IHealthLens
    function models(uint256 cursor, uint256 limit) external view override returns (Finding[] memory list) {
        (bytes32[] memory ids,) = MODELS.models(cursor, limit);
        uint256 same = 0;
        uint256 bound = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            ModelVersion memory version = MODELS.model(ids[i]);
            if (MODELS.modelIdOf(MODELS.publisher(ids[i]), version) == ids[i]) ++same;
            (address verifier,,) = MODELS.verifierOf(ids[i]);
            if (verifier == (version.vkHash == 0 ? address(0) : address(MODELS.KEYS().verifierOf(version.vkHash)))) ++bound;
        }
        list = new Finding[](2);
        list[0] = Finding("R8", same == ids.length, same, ids.length);
        list[1] = Finding("S12", bound == ids.length, bound, ids.length);
    }

    /// @inheritdoc IHealthLens
    function all() external view override returns (Finding[] memory list) {
        list = new Finding[](6);
        list[0] = bondBacking();
        list[1] = activeBonds(Role.Inference, 0, PAGE);
        list[2] = activeBonds(Role.Data, 0, PAGE);
        list[3] = activeBonds(Role.Full, 0, PAGE);
        Finding[] memory two = committee();
        (list[4], list[5]) = (two[0], two[1]);
    }

    /// @inheritdoc IHealthLens
    function bondBacking() public view override returns (Finding memory) {
        uint256 owed = REGISTRY.bondTotal(Role.Inference) + REGISTRY.bondTotal(Role.Data) + REGISTRY.bondTotal(Role.Full);
        return _atMost("S7", owed, TOKEN.balanceOf(address(REGISTRY)));
    }

    /// @inheritdoc IHealthLens
    function activeBonds(Role role, uint256 cursor, uint256 limit) public view override returns (Finding memory) {
        (bytes32[] memory nodeIds,) = REGISTRY.activeNodes(role, cursor, limit);
        uint256 good = 0;
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            Bond memory account = REGISTRY.bond(nodeIds[i]);
            bool active = REGISTRY.node(nodeIds[i]).status == NodeStatus.Active;
            if (active && uint256(account.free) + account.locked >= REGISTRY.minBond(role)) ++good;
        }
        return Finding("R4", good == nodeIds.length, good, nodeIds.length);
    }

    /// @inheritdoc IHealthLens
    function committee() public view override returns (Finding[] memory list) {
        list = new Finding[](2);
        uint64 epoch = COMMITTEE.currentEpoch();
        CommitteeEpoch memory info = COMMITTEE.epochInfo(epoch);
        uint256 due = uint256(info.start) + COMMITTEE.params().epochLength + COMMITTEE.params().grace;
        list[0] = Finding("committee-rotation", epoch != 0 && block.timestamp <= due, block.timestamp, due);
        list[1] = Finding("committee-fast-path", info.fastPath, info.totalStake, COMMITTEE.params().minTotalStake);
    }

    function _atMost(string memory id, uint256 left, uint256 right) private pure returns (Finding memory) {
        return Finding(id, left <= right, left, right);
    }
}
