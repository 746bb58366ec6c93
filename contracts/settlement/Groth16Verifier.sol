// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Keys} from "../interfaces/IGroth16Keys.sol";
import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {Groth16} from "./Groth16.sol";
import {Groth16Batch} from "./Groth16Batch.sol";

/// @title Verifier of one key
/// @notice The same bytecode for every model, reviewed once; only three immutables differ. Deployed by Groth16Keys, which has
/// checked the key: a verifier made by anyone else is worth nothing (IGroth16Keys.isVerifier tells them apart).
contract Groth16Verifier is IGroth16Verifier {
    IGroth16Keys private immutable KEYS;
    /// @inheritdoc IGroth16Verifier
    address public immutable override key;
    /// @inheritdoc IGroth16Verifier
    bytes32 public immutable override vkHash;

    constructor(address key_, bytes32 vkHash_) {
        KEYS = IGroth16Keys(msg.sender);
        key = key_;
        vkHash = vkHash_;
    }

    /// @inheritdoc IGroth16Verifier
    function verify(bytes calldata proof, uint256[] calldata publicInputs) external view override returns (bool) {
        return Groth16.verify(key, proof, publicInputs);
    }

    /// @inheritdoc IGroth16Verifier
    function verifyBatch(bytes calldata proofs, uint256[] calldata publicInputs) external view override returns (bool) {
        return Groth16Batch.verify(key, vkHash, proofs, publicInputs);
    }

    /// @inheritdoc IGroth16Verifier
    function publicInputCount() external view override returns (uint256) {
        return Groth16.inputCount(key);
    }

    /// @inheritdoc IGroth16Verifier
    function setupLevel() external view override returns (uint8) {
        return KEYS.setupLevel(vkHash);
    }
}
