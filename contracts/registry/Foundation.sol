// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Addresses before code
/// @notice Builds contracts that name each other in their constructors, so that no admin has to name them later, or could name others.
/// The n-th contract of a foundation stands where CREATE puts it for (foundation, n), n from 1: known before the first is built.
/// @dev Its builder alone builds. Of no use afterwards: no contract asks it anything, and each of them checks in its constructor that
/// the ones before it name it.
contract Foundation {
    address public immutable BUILDER;

    event Built(address indexed at);

    error FoundationNotBuilder(address caller, address builder);

    constructor() {
        BUILDER = msg.sender;
    }

    /// @notice Builds the next contract. If its constructor reverts, so does the call, with the same error, and the place stays free.
    /// @param initCode Creation code with the constructor's arguments.
    function build(bytes memory initCode) external returns (address at) {
        require(msg.sender == BUILDER, FoundationNotBuilder(msg.sender, BUILDER));
        assembly ("memory-safe") {
            at := create(0, add(initCode, 0x20), mload(initCode))
            if iszero(at) {
                let p := mload(0x40)
                returndatacopy(p, 0, returndatasize())
                revert(p, returndatasize())
            }
        }
        emit Built(at);
    }
}
