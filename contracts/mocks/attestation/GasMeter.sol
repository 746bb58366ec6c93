// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Gas meter
/// @notice What a call costs where it is made: without the transaction's base, calldata and floor. For benchmarks and tests.
contract GasMeter {
    /// The measured call failed with this data.
    error GasMeterCallFailed(bytes reason);

    function measure(address target, bytes calldata data) external returns (uint256 spent) {
        bytes memory input = data;
        bool success;
        assembly {
            spent := gas()
            success := call(gas(), target, 0, add(input, 0x20), mload(input), 0, 0)
            spent := sub(spent, gas())
        }
        if (!success) {
            bytes memory reason;
            assembly {
                reason := mload(0x40)
                mstore(reason, returndatasize())
                returndatacopy(add(reason, 0x20), 0, returndatasize())
                mstore(0x40, add(add(reason, 0x20), returndatasize()))
            }
            revert GasMeterCallFailed(reason);
        }
    }
}
