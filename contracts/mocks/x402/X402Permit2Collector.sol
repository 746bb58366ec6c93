// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {ISignatureTransfer} from "./ISignatureTransfer.sol";
import {IDepositCollector} from "./X402Channels.sol";

/// @title Devnet twin of x402's Permit2 deposit collector (0x4020425FAf3B746C082C2f942b4E5159887B0005)
contract X402Permit2Collector is IDepositCollector {
    address public constant CHANNELS = 0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003;
    ISignatureTransfer public constant PERMIT2 = ISignatureTransfer(0x000000000022D473030F116dDEE9F6B43aC78BA3);
    bytes32 public constant WITNESS_TYPEHASH = keccak256("DepositWitness(bytes32 channelId)");
    string public constant WITNESS_TYPE_STRING =
        "DepositWitness witness)DepositWitness(bytes32 channelId)TokenPermissions(address token,uint256 amount)";

    error CollectorNotChannels(address caller);

    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata collectorData) external {
        require(msg.sender == CHANNELS, CollectorNotChannels(msg.sender));
        (uint256 nonce, uint256 deadline, bytes memory signature, bytes memory permit) =
            abi.decode(collectorData, (uint256, uint256, bytes, bytes));
        if (permit.length != 0) _permit(token, payer, permit);
        PERMIT2.permitWitnessTransferFrom(
            ISignatureTransfer.PermitTransferFrom({
                permitted: ISignatureTransfer.TokenPermissions({token: token, amount: amount}),
                nonce: nonce,
                deadline: deadline
            }),
            ISignatureTransfer.SignatureTransferDetails({to: CHANNELS, requestedAmount: amount}),
            payer,
            keccak256(abi.encode(WITNESS_TYPEHASH, channelId)),
            WITNESS_TYPE_STRING,
            signature
        );
    }

    /// @dev A permit that somebody sent first is no reason to fail: the allowance decides.
    function _permit(address token, address payer, bytes memory permit) private {
        (uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) =
            abi.decode(permit, (uint256, uint256, uint8, bytes32, bytes32));
        try IERC20Permit(token).permit(payer, address(PERMIT2), value, deadline, v, r, s) {} catch {}
    }
}
