// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {NonReentrant} from "../../libraries/NonReentrant.sol";
import {ISignatureTransfer} from "./ISignatureTransfer.sol";

/// What both proxies share: Permit2, the optional EIP-2612 permit, and the names of refusals that clients look for.
abstract contract X402Permit2Proxy is NonReentrant {
    ISignatureTransfer public constant PERMIT2 = ISignatureTransfer(0x000000000022D473030F116dDEE9F6B43aC78BA3);

    struct EIP2612Permit {
        uint256 value;
        uint256 deadline;
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    error InvalidDestination();
    error InvalidOwner();
    error PaymentTooEarly();
    error Permit2612AmountMismatch();

    event Settled();
    event SettledWithPermit();

    function _permit(EIP2612Permit calldata permit2612, ISignatureTransfer.TokenPermissions calldata permitted, address owner) internal {
        require(permit2612.value == permitted.amount, Permit2612AmountMismatch());
        // A permit that somebody sent first is no reason to fail: the allowance decides.
        try IERC20Permit(permitted.token).permit(
            owner, address(PERMIT2), permit2612.value, permit2612.deadline, permit2612.v, permit2612.r, permit2612.s
        ) {} catch {}
    }
}
