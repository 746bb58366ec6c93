// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// The rule does not see uses in assembly.
// solhint-disable no-unused-import

import {IGroth16Errors} from "../interfaces/IGroth16Verifier.sol";
import {BN254_R, GROTH16_ALPHA, GROTH16_DELTA, GROTH16_GAMMA, Groth16} from "./Groth16.sol";

/// @title One Groth16 proof for each layer of a model that is too large for one circuit
/// @notice Layer i proves (ctx, h_i, h_(i+1)): h_0 is the model's input, h_L its output, those between are commitments to
/// activations. Layers are linked because the same word is written into both neighbours, not because anyone compares.
///
/// The keys come from one phase 1 and share alpha, beta and gamma (registration checks it), so the L equations fold into
///   prod e(r_i A_i, B_i) = e((sum r_i) alpha, beta) e(sum r_i X_i, gamma) prod e(r_i C_i, delta_i):
/// 2L + 2 pairings instead of 4L. Coefficients as in Groth16Batch.
library Groth16Chain {
    bytes32 private constant TAG = keccak256("opengradient.groth16.chain.v1");
    uint256 private constant COEFFICIENT_MASK = 0xffffffffffffffffffffffffffffffff;

    struct Work {
        uint256 count;
        bytes32 seed;
        uint256 pairs;
        uint256 sumX;
        uint256 sumR;
        uint256 term;
        uint256[] scalars;
    }

    /// @param proof L proofs of 256 bytes, then the L - 1 words between the layers.
    /// @param inputs (ctx, in, out).
    function verify(address[] memory keys, bytes32 vkHash, bytes calldata proof, uint256[] calldata inputs)
        internal
        view
        returns (bool)
    {
        Work memory work;
        work.count = keys.length;
        require(
            proof.length == work.count * Groth16.PROOF_BYTES + (work.count - 1) * 32,
            IGroth16Errors.Groth16ProofLength(proof.length)
        );
        require(inputs.length == 3, IGroth16Errors.Groth16InputCount(inputs.length, 3));
        for (uint256 i = 0; i < 3; ++i) {
            require(inputs[i] < BN254_R, IGroth16Errors.Groth16InputNotInField(i, inputs[i]));
        }
        work.seed = keccak256(
            abi.encode(TAG, block.chainid, address(this), vkHash, keccak256(proof), inputs[0], inputs[1], inputs[2])
        );
        work.pairs = Groth16.allocate((2 * work.count + 2) * Groth16.PAIR_BYTES);
        work.sumX = work.pairs + (work.count + 1) * Groth16.PAIR_BYTES;
        work.term = Groth16.allocate(Groth16.G1_BYTES);
        work.scalars = new uint256[](4);
        for (uint256 i = 0; i < work.count; ++i) {
            if (!_addLayer(work, keys[i], i, proof, inputs)) return false;
        }
        return _closes(work, keys[0]);
    }

    /// @notice Writes the pairs (r A, B) and (-r C, delta) of a layer and adds its r X to the sum.
    function _addLayer(Work memory work, address key, uint256 index, bytes calldata proof, uint256[] calldata inputs)
        private
        view
        returns (bool ok)
    {
        uint256 r = 1;
        if (index != 0) r = uint256(keccak256(abi.encode(work.seed, index))) & COEFFICIENT_MASK;
        uint256 left = work.pairs + index * Groth16.PAIR_BYTES;
        uint256 right = work.pairs + (work.count + 2 + index) * Groth16.PAIR_BYTES;
        assembly ("memory-safe") {
            let item := add(proof.offset, mul(index, 256))
            calldatacopy(left, item, 192)
            calldatacopy(right, add(item, 192), 64)
            extcodecopy(key, add(right, 64), GROTH16_DELTA, 128)
        }
        // The first layer's points, times one, are judged by the pairing.
        ok = index == 0 || (Groth16.multiply(left, r, left) && Groth16.multiply(right, r, right));
        if (!ok) return false;
        Groth16.negate(right);

        work.sumR += r;
        uint256[] memory scalars = work.scalars;
        scalars[0] = r;
        scalars[1] = mulmod(r, inputs[0], BN254_R);
        scalars[2] = mulmod(r, _between(work.count, index, proof, inputs), BN254_R);
        scalars[3] = mulmod(r, _between(work.count, index + 1, proof, inputs), BN254_R);
        uint256 at = index == 0 ? work.sumX : work.term;
        ok = Groth16.combineIc(key, scalars, at);
        if (ok && index != 0) ok = Groth16.add(work.sumX, at, work.sumX);
    }

    /// @notice The word before layer `index`: the input, the output (index = count), or a commitment from the proof.
    function _between(uint256 count, uint256 index, bytes calldata proof, uint256[] calldata inputs)
        private
        pure
        returns (uint256 value)
    {
        if (index == 0) return inputs[1];
        if (index == count) return inputs[2];
        uint256 offset = count * Groth16.PROOF_BYTES + 32 * (index - 1);
        value = uint256(bytes32(proof[offset:offset + 32]));
        require(value < BN254_R, IGroth16Errors.Groth16InputNotInField(2 + index, value));
    }

    /// @notice Fills in what the keys share, and evaluates the product.
    function _closes(Work memory work, address key) private view returns (bool) {
        uint256 shared = work.pairs + work.count * Groth16.PAIR_BYTES;
        assembly ("memory-safe") {
            extcodecopy(key, shared, GROTH16_ALPHA, 192) // and beta
            extcodecopy(key, add(shared, 256), GROTH16_GAMMA, 128)
        }
        if (!Groth16.multiply(shared, work.sumR, shared)) return false;
        Groth16.negate(shared);
        Groth16.negate(work.sumX);
        return Groth16.pairing(work.pairs, 2 * work.count + 2);
    }
}
