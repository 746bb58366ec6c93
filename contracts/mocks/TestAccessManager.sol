// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

/// @notice OpenZeppelin's AccessManager under a name that tests can deploy.
contract TestAccessManager is AccessManager {
    constructor(address admin) AccessManager(admin) {}
}
