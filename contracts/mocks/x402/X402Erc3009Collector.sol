// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IDepositCollector} from "./X402Channels.sol";

interface IReceiveWithAuthorization {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}

/// @title Devnet twin of x402's EIP-3009 deposit collector (0x4020806089470a89826cB9fB1f4059150b550004)
/// @notice The authorisation's nonce is keccak256(abi.encode(channelId, salt)): it pays into one channel only.
contract X402Erc3009Collector is IDepositCollector {
    using SafeERC20 for IERC20;

    address public constant CHANNELS = 0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003;

    error CollectorNotChannels(address caller);

    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata collectorData) external {
        require(msg.sender == CHANNELS, CollectorNotChannels(msg.sender));
        (uint256 validAfter, uint256 validBefore, uint256 salt, bytes memory signature) =
            abi.decode(collectorData, (uint256, uint256, uint256, bytes));
        bytes32 nonce = keccak256(abi.encode(channelId, salt));
        IReceiveWithAuthorization(token).receiveWithAuthorization(
            payer, address(this), amount, validAfter, validBefore, nonce, signature
        );
        IERC20(token).safeTransfer(CHANNELS, amount);
    }
}
