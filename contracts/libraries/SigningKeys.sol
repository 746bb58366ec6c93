// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IKeyLedger, KeyUse} from "../interfaces/IKeyLedger.sol";
import {SigningKey} from "../types/SigningKey.sol";

/// @title One question to a key ledger
library SigningKeys {
    /// @notice The same as `ledger.signingKey(use)`, at a third of the price: a use lies in memory as it is encoded.
    function ask(IKeyLedger ledger, KeyUse memory use) internal view returns (SigningKey key, bytes16 policyPrefix) {
        bytes4 selector = IKeyLedger.signingKey.selector;
        bool answered;
        assembly ("memory-safe") {
            // Scratch behind the free memory pointer, which stays: selector, seven words.
            let input := mload(0x40)
            mstore(input, selector)
            mcopy(add(input, 4), use, 0xe0)
            answered := staticcall(gas(), ledger, input, 0xe4, 0, 0x40)
            if iszero(answered) {
                // The ledger's own error.
                returndatacopy(input, 0, returndatasize())
                revert(input, returndatasize())
            }
            // Two whole words, from code that is there.
            answered := eq(returndatasize(), 0x40)
            key := mload(0)
            policyPrefix := and(mload(0x20), shl(128, sub(shl(128, 1), 1)))
        }
        require(answered, IKeyLedger.KeyLedgerSilent(address(ledger)));
    }
}
