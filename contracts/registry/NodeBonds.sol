// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {Authorities, Bond, INodeRegistry, RegistryParams} from "../interfaces/INodeRegistry.sol";
import {Role} from "../types/Enums.sol";

/// @title Bond ledger
/// @notice Every unit of the bond token that the registry holds is some node's free, locked or exiting bond, or somebody's
/// reward (S7). Locks are moves between sub-accounts, so that the same unit never stands behind two headers.
/// @dev Who may lock and slash stands in the code: no storage to read on a path that every batch takes, and nobody who could change it.
abstract contract NodeBonds is INodeRegistry {
    using SafeERC20 for IERC20;

    uint256 private constant REWARD_BPS = 3_000;
    uint256 private constant BURN_BPS = 4_000;
    /// Tokens without a burn function end here.
    address private constant BURN = 0x000000000000000000000000000000000000dEaD;

    IERC20 public immutable TOKEN;
    address private immutable SETTLEMENT;
    address private immutable COMMITTEE;
    address private immutable COURT;
    address private immutable DEMANDS;
    address private immutable POOL;
    uint64 internal immutable POST_GRACE;
    uint64 internal immutable BEAT_MAX_BLOCKS;

    RegistryParams internal _params;
    mapping(bytes32 nodeId => Bond) internal _bonds;
    mapping(Role => uint256) private _totals;
    mapping(address => uint256) private _rewards;

    constructor(IERC20 token, RegistryParams memory params_, Authorities memory named) {
        require(address(token) != address(0), NodeRegistryBadParams("token"));
        require(params_.minBondInference != 0 && params_.minBondData != 0 && params_.minBondFull != 0, NodeRegistryBadParams("minBond"));
        require(params_.stakeUnlock >= params_.exitDelay && params_.exitDelay > params_.postGrace, NodeRegistryBadParams("exitDelay"));
        require(params_.beatMaxBlocks != 0 && params_.beatMaxBlocks <= 8_191, NodeRegistryBadParams("beatMaxBlocks"));
        require(params_.heartbeatBlocks != 0, NodeRegistryBadParams("heartbeatBlocks"));
        require(named.settlement != address(0) && named.committee != address(0), NodeRegistryBadParams("authorities"));
        require(named.court != address(0) && named.demands != address(0), NodeRegistryBadParams("authorities"));
        require(named.pool != address(0), NodeRegistryBadParams("authorities"));
        TOKEN = token;
        (SETTLEMENT, COMMITTEE, COURT, DEMANDS, POOL) = (named.settlement, named.committee, named.court, named.demands, named.pool);
        (POST_GRACE, BEAT_MAX_BLOCKS) = (params_.postGrace, params_.beatMaxBlocks);
        _params = params_;
    }

    modifier onlySettlement() {
        require(msg.sender == SETTLEMENT, NodeRegistryNotAuthority(msg.sender));
        _;
    }

    modifier onlySlasher() {
        bool may = msg.sender == SETTLEMENT || msg.sender == COMMITTEE || msg.sender == COURT;
        require(may, NodeRegistryNotAuthority(msg.sender));
        _;
    }

    /// @inheritdoc INodeRegistry
    function lockBond(bytes32 nodeId, uint96 amount, bytes32 subject) external override onlySettlement {
        Bond storage account = _bonds[nodeId];
        (uint96 free, uint96 locked) = _halves(account);
        require(free >= amount, NodeRegistryInsufficientFree(nodeId, free, amount));
        _setHalves(account, free - amount, locked + amount);
        emit BondLocked(nodeId, subject, amount);
    }

    /// @inheritdoc INodeRegistry
    function unlockBond(bytes32 nodeId, uint96 amount, bytes32 subject) external override onlySettlement {
        Bond storage account = _bonds[nodeId];
        (uint96 free, uint96 locked) = _halves(account);
        require(locked >= amount, NodeRegistryInsufficientLocked(nodeId, locked, amount));
        _setHalves(account, free + amount, locked - amount);
        emit BondUnlocked(nodeId, subject, amount);
    }

    /// @inheritdoc INodeRegistry
    function slash(bytes32 nodeId, bytes32 subject, uint96 amount, bool fromLocked, address reporter)
        external
        override
        onlySlasher
        returns (uint96 taken)
    {
        taken = _take(_bonds[nodeId], amount, fromLocked);
        _totals[_roleOf(nodeId)] -= taken;

        uint256 reward_ = reporter == address(0) ? 0 : (uint256(taken) * REWARD_BPS) / 10_000;
        uint256 burnt = (uint256(taken) * BURN_BPS) / 10_000;
        _rewards[reporter] += reward_;
        _rewards[POOL] += taken - reward_ - burnt;
        emit BondSlashed(nodeId, subject, taken, reporter, reward_, burnt);
        _afterSlash(nodeId);

        if (burnt != 0) TOKEN.safeTransfer(BURN, burnt);
    }

    /// @inheritdoc INodeRegistry
    function withdrawReward() external override {
        uint256 amount = _rewards[msg.sender];
        _rewards[msg.sender] = 0;
        emit RewardWithdrawn(msg.sender, amount);
        TOKEN.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc INodeRegistry
    function bond(bytes32 nodeId) external view override returns (Bond memory) {
        return _bonds[nodeId];
    }

    /// @inheritdoc INodeRegistry
    function bondTotal(Role role) external view override returns (uint256) {
        return _totals[role];
    }

    /// @inheritdoc INodeRegistry
    function params() external view override returns (RegistryParams memory) {
        return _params;
    }

    /// @inheritdoc INodeRegistry
    function authorities() external view override returns (Authorities memory) {
        return Authorities(SETTLEMENT, COMMITTEE, COURT, DEMANDS, POOL);
    }

    /// @inheritdoc INodeRegistry
    function reward(address account) external view override returns (uint256) {
        return _rewards[account];
    }

    /// @inheritdoc INodeRegistry
    function minBond(Role role) public view override returns (uint96) {
        if (role == Role.Inference) return _params.minBondInference;
        return role == Role.Data ? _params.minBondData : _params.minBondFull;
    }

    function _roleOf(bytes32 nodeId) internal view virtual returns (Role);

    /// Jails or bans.
    function _afterSlash(bytes32 nodeId) internal virtual;

    function _deposit(bytes32 nodeId, Role role, uint96 amount) internal {
        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = TOKEN.balanceOf(address(this)) - before;
        require(received == amount, NodeRegistryTokenAmount(amount, received));
        _bonds[nodeId].free += amount;
        _totals[role] += amount;
        emit BondAdded(nodeId, msg.sender, amount);
    }

    /// free -> exiting, with a new clock for all that is exiting.
    function _startExit(bytes32 nodeId, Role role, uint96 amount) internal {
        Bond storage account = _bonds[nodeId];
        require(account.free >= amount, NodeRegistryInsufficientFree(nodeId, account.free, amount));
        account.free -= amount;
        account.exiting += amount;
        account.exitAt = uint64(block.timestamp) + (role == Role.Full ? _params.stakeUnlock : _params.exitDelay);
        emit BondExiting(nodeId, amount, account.exitAt);
    }

    function _payExit(bytes32 nodeId, Role role, address to) internal {
        Bond storage account = _bonds[nodeId];
        require(account.exitAt != 0 && account.exitAt <= block.timestamp, NodeRegistryNotYet(block.timestamp, account.exitAt));
        uint96 amount = account.exiting;
        account.exiting = 0;
        account.exitAt = 0;
        _totals[role] -= amount;
        emit BondWithdrawn(nodeId, to, amount);
        TOKEN.safeTransfer(to, amount);
    }

    /// A fixed small fee for telling that a node is gone; its principal beyond that is not touched.
    function _payDeadFee(bytes32 nodeId, Role role, address to) internal {
        Bond storage account = _bonds[nodeId];
        uint96 fee = account.free < _params.deadFee ? account.free : _params.deadFee;
        if (fee == 0) return;
        account.free -= fee;
        _totals[role] -= fee;
        _rewards[to] += fee;
        emit DeadFeePaid(nodeId, to, fee);
    }

    /// `free` and `locked` share a word, which a lock reads and writes once.
    function _halves(Bond storage account) private view returns (uint96 free, uint96 locked) {
        uint256 word;
        assembly ("memory-safe") {
            word := sload(account.slot)
        }
        return (uint96(word), uint96(word >> 96));
    }

    function _setHalves(Bond storage account, uint96 free, uint96 locked) private {
        uint256 word = uint256(locked) << 96 | free;
        assembly ("memory-safe") {
            sstore(account.slot, word)
        }
    }

    function _take(Bond storage account, uint96 amount, bool fromLocked) private returns (uint96 taken) {
        if (fromLocked) {
            taken = account.locked < amount ? account.locked : amount;
            account.locked -= taken;
        }
        uint96 part = account.free < amount - taken ? account.free : amount - taken;
        account.free -= part;
        taken += part;
        part = account.exiting < amount - taken ? account.exiting : amount - taken;
        account.exiting -= part;
        taken += part;
    }
}
