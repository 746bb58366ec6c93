// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {TestDollar} from "./TestDollar.sol";

/// @title A token that misbehaves on request
/// @notice Sound until `setOddity`; then its calls show one of the ways in which real tokens surprise.
contract OddToken is TestDollar {
    enum Oddity {
        None,
        FeeOnTransfer, // delivers 1 % less
        FeeOnSender, // takes 1 % more from the sender
        ReturnsNothing, // old tokens
        ReturnsFalse, // and moves nothing
        Reverts,
        Blacklists, // one recipient
        Reenters, // calls somebody in the middle
        IgnoresReusedNonce, // an authorisation used before moves nothing and reverts nothing
        MuteTransferFrom // says yes and moves nothing
    }

    error OddRefused(address to);

    Oddity public oddity;
    address public victim;
    bytes public call;
    bool public reentered;

    function setOddity(Oddity oddity_, address victim_, bytes calldata call_) external {
        (oddity, victim, call) = (oddity_, victim_, call_);
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        if (oddity == Oddity.ReturnsFalse) return false;
        require(oddity != Oddity.Reverts && (oddity != Oddity.Blacklists || to != victim), OddRefused(to));
        if (oddity == Oddity.FeeOnTransfer) {
            _burn(msg.sender, value / 100);
            value -= value / 100;
        }
        if (oddity == Oddity.FeeOnSender) _burn(msg.sender, value / 100);
        if (oddity == Oddity.Reenters) (reentered,) = victim.call(call);
        _transfer(msg.sender, to, value);
        if (oddity == Oddity.ReturnsNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return true;
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return oddity == Oddity.MuteTransferFrom || super.transferFrom(from, to, value);
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
        if (_isIgnored(from, nonce)) return;
        super.transferWithAuthorization(from, to, value, validAfter, validBefore, nonce, signature);
    }

    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) public override {
        if (_isIgnored(from, nonce)) return;
        super.receiveWithAuthorization(from, to, value, validAfter, validBefore, nonce, signature);
    }

    function _isIgnored(address from, bytes32 nonce) private view returns (bool) {
        return oddity == Oddity.IgnoresReusedNonce && authorizationState[from][nonce];
    }
}
