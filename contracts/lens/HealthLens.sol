// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {CommitteeEpoch, ICommittee} from "../interfaces/ICommittee.sol";
import {Finding, IHealthLens} from "../interfaces/IHealthLens.sol";
import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {Bond, INodeRegistry, NodeStatus} from "../interfaces/INodeRegistry.sol";
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

    constructor(INodeRegistry registry, IERC20 token, IInferenceSettlement settlement, ICommittee committee_) {
        (REGISTRY, TOKEN, SETTLEMENT, COMMITTEE) = (registry, token, settlement, committee_);
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
        list = new Finding[](2);
        Batch memory entry = SETTLEMENT.batch(SETTLEMENT.headerHash(value));
        bool pending = entry.status == BatchStatus.Posted || entry.status == BatchStatus.Certified;
        list[0] = _atMost("S4", entry.status == BatchStatus.Final ? entry.openDemands : 0, 0);
        uint256 lock = pending ? SETTLEMENT.lockOf(value.totalCharge, entry.fullBond) : 0;
        list[1] = _atMost("S1", lock, REGISTRY.bond(value.nodeId).locked);
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
