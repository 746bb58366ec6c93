// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {P384Group} from "../../attestation/crypto/P384Group.sol";
// The rule does not see uses in assembly.
// solhint-disable-next-line no-unused-import
import {ACC_U0} from "../../attestation/crypto/P384Layout.sol";

/// @title The group law of P-384 on any words, for tests at the edges of its bounds
contract P384GroupHarness {
    /// @param operation 0 double, 1 add, 2 double and add.
    /// @param state Six words of the running point and six of T, as P384Layout has them.
    /// @return The six words of the running point after.
    function run(uint256 operation, uint256[12] calldata state, bytes calldata slopes) external pure returns (uint256[6] memory) {
        uint256 ptr;
        assembly {
            ptr := slopes.offset
            calldatacopy(ACC_U0, state, 0x180)
        }
        if (operation == 0) ptr = P384Group.double(ptr, 1);
        else if (operation == 1) ptr = P384Group.add(ptr);
        else ptr = P384Group.doubleAdd(ptr);
        assembly {
            return(ACC_U0, 0xc0)
        }
    }
}
