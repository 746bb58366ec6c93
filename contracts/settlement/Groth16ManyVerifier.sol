// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Keys} from "../interfaces/IGroth16Keys.sol";
import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {Groth16Many} from "./Groth16Many.sol";

/// @title Verifier of a circuit that computes many items
/// @notice To a settlement it looks like any other verifier with the public inputs (ctx, in, out), whose batches happen to be
/// cheap: one proof of 288 bytes stands for up to `slots` items. Deployed by Groth16Keys.registerMany.
contract Groth16ManyVerifier is IGroth16Verifier {
    IGroth16Keys private immutable KEYS;
    /// @inheritdoc IGroth16Verifier
    /// @dev The circuit's own.
    address public immutable override key;
    /// @inheritdoc IGroth16Verifier
    bytes32 public immutable override vkHash;
    /// @notice Items that one proof holds.
    uint256 public immutable slots;

    constructor(IGroth16Verifier base, bytes32 vkHash_, uint256 slots_) {
        KEYS = IGroth16Keys(msg.sender);
        (key, vkHash, slots) = (base.key(), vkHash_, slots_);
    }

    /// @inheritdoc IGroth16Verifier
    function verify(bytes calldata proof, uint256[] calldata publicInputs) external view override returns (bool) {
        require(proof.length == Groth16Many.PROOF_BYTES, Groth16ProofLength(proof.length));
        require(publicInputs.length == Groth16Many.ITEM, Groth16InputCount(publicInputs.length, Groth16Many.ITEM));
        return Groth16Many.verify(key, vkHash, slots, proof, publicInputs);
    }

    /// @inheritdoc IGroth16Verifier
    function verifyBatch(bytes calldata proofs, uint256[] calldata publicInputs) external view override returns (bool) {
        return Groth16Many.verify(key, vkHash, slots, proofs, publicInputs);
    }

    /// @inheritdoc IGroth16Verifier
    function publicInputCount() external pure override returns (uint256) {
        return Groth16Many.ITEM;
    }

    /// @inheritdoc IGroth16Verifier
    function setupLevel() external view override returns (uint8) {
        return KEYS.setupLevel(vkHash);
    }
}
