// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Reentrancy lock in transient storage
abstract contract NonReentrant {
    error Reentered();

    bool private transient _entered;

    modifier nonReentrant() {
        _enter();
        _;
        _leave();
    }

    // Functions, so that every use of the modifier does not repeat their code.
    function _enter() private {
        require(!_entered, Reentered());
        _entered = true;
    }

    function _leave() private {
        _entered = false;
    }
}
