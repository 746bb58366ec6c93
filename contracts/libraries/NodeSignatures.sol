// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {ISignatureChecker} from "../interfaces/ISignatureChecker.sol";
import {KeyType} from "../types/Enums.sol";

/// @title Signature check with the common key type in line
/// @dev Secp256k1 is what most nodes sign with, and a call costs more than its recovery saves; the rest goes to the checker.
library NodeSignatures {
    function verify(ISignatureChecker checker, KeyType keyType, address signer, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (bool)
    {
        if (keyType != KeyType.Secp256k1) return checker.verify(keyType, signer, digest, signature);
        (address recovered,,) = ECDSA.tryRecoverCalldata(digest, signature);
        return recovered == signer && recovered != address(0);
    }
}
