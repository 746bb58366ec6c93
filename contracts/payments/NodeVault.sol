// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {INodeVault} from "../interfaces/INodeVault.sol";
import {NonReentrant} from "../libraries/NonReentrant.sol";

/// @title Node vault
/// @dev See INodeVault. Balances are all it knows: nobody has a claim here but payout and treasury.
contract NodeVault is INodeVault, NonReentrant {
    using SafeERC20 for IERC20;

    uint256 private constant MAX_FEE_BPS = 500;

    bytes32 public immutable nodeId;
    address public immutable payout;
    address public immutable treasury;
    uint16 public immutable feeBps;

    constructor(bytes32 nodeId_, address payout_, address treasury_, uint16 feeBps_) {
        require(payout_ != address(0) && treasury_ != address(0), VaultZeroAddress());
        require(feeBps_ <= MAX_FEE_BPS, VaultFeeTooHigh(feeBps_, MAX_FEE_BPS));
        (nodeId, payout, treasury, feeBps) = (nodeId_, payout_, treasury_, feeBps_);
    }

    function withdraw(address token) external nonReentrant returns (uint256 net, uint256 fee) {
        uint256 balance = IERC20(token).balanceOf(address(this));
        require(balance != 0, VaultEmpty(token));
        fee = balance * feeBps / 10_000;
        net = balance - fee;
        emit Paid(token, payout, net, fee);
        _send(token, payout, net);
        if (fee != 0) _send(token, treasury, fee);
    }

    function _send(address token, address to, uint256 amount) private {
        require(IERC20(token).trySafeTransfer(to, amount), VaultTransferFailed(token, to, amount));
    }
}
