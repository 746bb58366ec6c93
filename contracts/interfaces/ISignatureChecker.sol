// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {KeyType} from "../types/Enums.sol";

/// @title Signatures of key epochs
/// @notice Secp256k1 signs the 32 bytes of a digest (EIP-712), low s only. P-256 and RSA-PSS sign them as a message, hashed
/// by SHA-256: hardware and enclave libraries sign messages, not digests.
/// Stateless, and its own contract so that registry, settlement and feeds do not each carry the code.
interface ISignatureChecker {
    /// The chain's P256VERIFY precompile (EIP-7951) is absent: an empty answer must not pass for "no".
    error SignatureCheckerNoP256();
    error SignatureCheckerStoreFailed();

    /// @return Whether `publicKey` has the one form of its type (see KeyType) and is a point of the curve, or an RSA-2048 key.
    function isKey(KeyType keyType, bytes calldata publicKey) external pure returns (bool);

    /// @notice Where a key is found again. Secp256k1: its address. Else: a new contract whose code is a zero byte and the
    /// key: reading 294 bytes from code costs an eighth of reading them from storage.
    function store(KeyType keyType, bytes calldata publicKey) external returns (address signer);

    /// @return The public key that `store` put at `signer`; empty for Secp256k1.
    function load(address signer) external view returns (bytes memory);

    /// @param signer What `store` answered.
    /// @return Whether `signature` over `digest` is the key's.
    function verify(KeyType keyType, address signer, bytes32 digest, bytes calldata signature) external view returns (bool);
}
