// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title Bond token of devnets
/// @notice 18 decimals. Anyone may mint.
contract TestBond is ERC20 {
    constructor() ERC20("Test OpenGradient", "tOPG") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
