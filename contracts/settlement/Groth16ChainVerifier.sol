// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Keys} from "../interfaces/IGroth16Keys.sol";
import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {Groth16} from "./Groth16.sol";
import {Groth16Chain} from "./Groth16Chain.sol";

/// @title Verifier of a chain of layers
/// @notice To a settlement it looks like any other verifier with the public inputs (ctx, in, out): what lies between the
/// layers travels inside the proof. Deployed by Groth16Keys.registerChain.
contract Groth16ChainVerifier is IGroth16Verifier {
    IGroth16Keys private immutable KEYS;
    /// @inheritdoc IGroth16Verifier
    bytes32 public immutable override vkHash;
    /// @dev The layers' key contracts, in order.
    address[] private _keys;

    constructor(address[] memory keys, bytes32 vkHash_) {
        KEYS = IGroth16Keys(msg.sender);
        vkHash = vkHash_;
        _keys = keys;
    }

    /// @inheritdoc IGroth16Verifier
    function verify(bytes calldata proof, uint256[] calldata publicInputs) external view override returns (bool) {
        return Groth16Chain.verify(_keys, vkHash, proof, publicInputs);
    }

    /// @inheritdoc IGroth16Verifier
    /// @dev One after another: pairs of different keys do not fold, and a chain is a transaction's worth of work already.
    function verifyBatch(bytes calldata proofs, uint256[] calldata publicInputs) external view override returns (bool) {
        address[] memory keys = _keys;
        uint256 size = keys.length * Groth16.PROOF_BYTES + (keys.length - 1) * 32;
        uint256 count = proofs.length / size;
        require(count > 0 && proofs.length % size == 0, Groth16ProofLength(proofs.length));
        require(publicInputs.length == 3 * count, Groth16InputCount(publicInputs.length, 3 * count));
        uint256 previous;
        for (uint256 i = 0; i < count; ++i) {
            uint256[] calldata inputs = publicInputs[3 * i:3 * i + 3];
            uint256 statement = uint256(keccak256(abi.encodePacked(inputs)));
            require(i == 0 || statement > previous, Groth16StatementOrder(i));
            previous = statement;
            if (!Groth16Chain.verify(keys, vkHash, proofs[i * size:(i + 1) * size], inputs)) return false;
        }
        return true;
    }

    /// @inheritdoc IGroth16Verifier
    /// @dev The first layer's; `layers` has all.
    function key() external view override returns (address) {
        return _keys[0];
    }

    /// @notice Key contracts of the layers, in order.
    function layers() external view returns (address[] memory) {
        return _keys;
    }

    /// @inheritdoc IGroth16Verifier
    function publicInputCount() external pure override returns (uint256) {
        return 3;
    }

    /// @inheritdoc IGroth16Verifier
    function setupLevel() external view override returns (uint8) {
        return KEYS.setupLevel(vkHash);
    }
}
