// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {FaultOpening, IFaultCourt} from "../interfaces/IFaultCourt.sol";
import {IFullNodeRewards} from "../interfaces/IFullNodeRewards.sol";
import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {ITraps, Trap, TrapParams} from "../interfaces/ITraps.sol";
import {BatchHeader} from "../types/Batch.sol";
import {BatchStatus} from "../types/Enums.sol";
import {Batch, SettlementParams} from "../types/Settlement.sol";

/// @title Planted bad headers
contract Traps is ITraps {
    using SafeERC20 for IERC20;

    IERC20 public immutable TOKEN;
    IInferenceSettlement public immutable SETTLEMENT;
    IFaultCourt public immutable COURT;
    IFullNodeRewards public immutable POOL;

    TrapParams private _params;
    uint256 public override openTraps;
    mapping(bytes32 commitment => Trap) private _traps;

    constructor(
        IERC20 token,
        IInferenceSettlement settlement,
        IFaultCourt court,
        IFullNodeRewards pool,
        TrapParams memory params_
    ) {
        require(address(token) != address(0) && address(pool) != address(0), TrapsBadParams("token"));
        require(address(court) != address(0), TrapsBadParams("court"));
        require(params_.minPrize != 0, TrapsBadParams("minPrize"));
        // The planter must have time to post, to wait for the window's end and to tell.
        SettlementParams memory times = settlement.params();
        require(params_.revealTime >= 2 * (uint256(times.window) + times.responseTime), TrapsBadParams("revealTime"));
        (TOKEN, SETTLEMENT, COURT, POOL) = (token, settlement, court, pool);
        _params = params_;
    }

    /// @inheritdoc ITraps
    function plant(bytes32 commitment, uint96 prize) external override {
        require(prize >= _params.minPrize, TrapsPrizeTooSmall(prize, _params.minPrize));
        require(_traps[commitment].planter == address(0), TrapsKnown(commitment));
        _traps[commitment] = Trap(msg.sender, uint40(block.timestamp), uint40(block.number), prize);
        ++openTraps;
        emit TrapPlanted(commitment, msg.sender, prize);

        uint256 amount = 2 * uint256(prize);
        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = TOKEN.balanceOf(address(this)) - before;
        require(received == amount, TrapsTokenAmount(amount, received));
    }

    /// @inheritdoc ITraps
    function reveal(BatchHeader calldata header, bytes32 salt, address finder, FaultOpening calldata opening) external override {
        bytes32 headerHash = SETTLEMENT.headerHash(header);
        bytes32 commitment = keccak256(abi.encode(msg.sender, headerHash, salt));
        Trap memory entry = _take(commitment);
        Batch memory posted = SETTLEMENT.batch(header);
        bool decided = uint8(posted.status) >= uint8(BatchStatus.Final);
        require(decided, TrapsNotDecided(headerHash));
        require(posted.postedBlock > entry.plantedBlock, TrapsPlantedLate(entry.plantedBlock, posted.postedBlock));

        if (posted.status == BatchStatus.RejectedNoFault) {
            emit TrapReturned(commitment, headerHash);
            TOKEN.safeTransfer(msg.sender, 2 * uint256(entry.prize));
        } else if (COURT.isProved(finder, headerHash, opening)) {
            emit TrapFound(commitment, headerHash, finder, entry.prize);
            TOKEN.safeTransfer(finder, entry.prize);
            TOKEN.safeTransfer(msg.sender, entry.prize);
        } else {
            _forfeit(commitment, entry);
        }
    }

    /// @inheritdoc ITraps
    function forfeit(bytes32 commitment) external override {
        Trap memory entry = _take(commitment);
        uint256 readyAt = uint256(entry.plantedAt) + _params.revealTime;
        require(block.timestamp > readyAt, TrapsNotYet(block.timestamp, readyAt));
        _forfeit(commitment, entry);
    }

    /// @inheritdoc ITraps
    function trap(bytes32 commitment) external view override returns (Trap memory) {
        return _traps[commitment];
    }

    /// @inheritdoc ITraps
    function params() external view override returns (TrapParams memory) {
        return _params;
    }

    function _forfeit(bytes32 commitment, Trap memory entry) private {
        uint256 amount = 2 * uint256(entry.prize);
        emit TrapForfeited(commitment, amount);
        TOKEN.forceApprove(address(POOL), amount);
        POOL.fund(amount);
    }

    /// Reads and deletes, before anything is paid.
    function _take(bytes32 commitment) private returns (Trap memory entry) {
        entry = _traps[commitment];
        require(entry.planter != address(0), TrapsUnknown(commitment));
        delete _traps[commitment];
        --openTraps;
    }
}
