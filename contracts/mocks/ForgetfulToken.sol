// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {TestDollar} from "./TestDollar.sol";

/// @title A token that takes a used authorisation again, or on request any transfer, and moves nothing without a word
/// @notice Such tokens exist; whoever relies on the call's success alone has delivered for nothing.
contract ForgetfulToken is TestDollar {
    bool public mute;

    function setMute(bool mute_) external {
        mute = mute_;
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return mute || super.transferFrom(from, to, value);
    }

    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) public override {
        if (authorizationState[from][nonce]) return;
        super.transferWithAuthorization(from, to, value, validAfter, validBefore, nonce, signature);
    }
}
