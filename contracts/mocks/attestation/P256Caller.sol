// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {P256} from "../../attestation/P256.sol";

/// @title P-256 caller
/// @notice The library P256 as a contract uses it, for tests.
contract P256Caller {
    bool public immutable native = P256.isNative();

    function verify(bytes32 hash, uint256 r, uint256 s, uint256 x, uint256 y) external view returns (bool) {
        return P256.verify(hash, r, s, x, y, native);
    }

    function verifySolidity(bytes32 hash, uint256 r, uint256 s, uint256 x, uint256 y) external view returns (bool) {
        return P256.verifySolidity(hash, r, s, x, y);
    }
}
