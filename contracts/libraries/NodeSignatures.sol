// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ISignatureChecker} from "../interfaces/ISignatureChecker.sol";
import {KeyType} from "../types/Enums.sol";
import {SigningKey} from "../types/SigningKey.sol";

/// @title Signature check with the common key type in line
/// @dev Secp256k1 is what most nodes sign with, and a call costs more than its recovery saves; the rest goes to the checker.
library NodeSignatures {
    /// Half of the group's order: a signature whose s is above it is another one's twin.
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    function verify(ISignatureChecker checker, KeyType keyType, address signer, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (bool)
    {
        if (keyType != KeyType.Secp256k1) return checker.verify(keyType, signer, digest, signature);
        address recovered = recover(digest, signature);
        return recovered == signer && recovered != address(0);
    }

    /// @param key As a key ledger keeps it.
    function verify(ISignatureChecker checker, SigningKey key, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (!key.isSecp256k1()) return checker.verify(key.keyType(), key.signer(), digest, signature);
        address recovered = recover(digest, signature);
        return recovered == key.signer() && recovered != address(0);
    }

    /// @param signature r | s | v, s in the lower half, v 27 or 28.
    /// @return signer Who signed; 0 if nobody or if the signature has another form.
    function recover(bytes32 digest, bytes calldata signature) internal view returns (address signer) {
        if (signature.length != 65) return address(0);
        assembly ("memory-safe") {
            // Beyond the free memory pointer, which stays: digest | v | r | s, what ecrecover reads. It refuses any v but 27 and 28.
            let input := mload(0x40)
            mstore(input, digest)
            mstore(add(input, 0x20), byte(0, calldataload(add(signature.offset, 0x40))))
            calldatacopy(add(input, 0x40), signature.offset, 0x40)
            mstore(0, 0) // a failed recovery writes nothing
            if iszero(gt(mload(add(input, 0x60)), HALF_ORDER)) { pop(staticcall(gas(), 1, input, 0x80, 0, 0x20)) }
            signer := mload(0)
        }
    }
}
