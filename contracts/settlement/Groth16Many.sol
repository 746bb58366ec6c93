// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Errors} from "../interfaces/IGroth16Verifier.sol";
import {BN254_R, Groth16} from "./Groth16.sol";
import {Groth16Batch} from "./Groth16Batch.sol";

/// @title Many inferences in one proof
/// @notice A circuit that computes N items has the public inputs (c, e, h) and proves: "I know N inputs whose commitments v_i
/// hash to h, their outputs are y_i, and e = sum v_i c^(2i+1) + y_i c^(2i+2)". The contract has v_i and y_i of every request
/// and evaluates the same sum.
///
/// SOUNDNESS is commit, then challenge. h fixes the prover's v_i, and with them the outputs; c is a hash over h and everything
/// that the contract pays for, so it comes after both. Two different lists agree at a random c with probability 2N / r. Were c
/// known before h, one linear equation could be solved at will.
/// A list shorter than N is continued with its last item.
library Groth16Many {
    bytes32 private constant TAG = keccak256("opengradient.groth16.many.v1");
    uint256 internal constant PROOF_BYTES = 288;
    /// Inputs of one item: (ctx, in, out).
    uint256 internal constant ITEM = 3;

    /// @param key Of the circuit: three public inputs, which registration saw to.
    /// @param proofs For each group of `slots` items (the last may be smaller): a proof (256 bytes) and h (32).
    /// @param inputs (ctx, in, out) of each item, statements strictly ascending by keccak256.
    function verify(
        address key,
        bytes32 vkHash,
        uint256 slots,
        bytes calldata proofs,
        uint256[] calldata inputs
    ) internal view returns (bool) {
        uint256 groups = proofs.length / PROOF_BYTES;
        require(groups > 0 && proofs.length % PROOF_BYTES == 0, IGroth16Errors.Groth16ProofLength(proofs.length));
        uint256 items = inputs.length / ITEM;
        require(
            inputs.length % ITEM == 0 && items > (groups - 1) * slots && items <= groups * slots,
            IGroth16Errors.Groth16InputCount(inputs.length, groups * slots * ITEM)
        );
        Groth16Batch.requireAscending(inputs, items, ITEM);
        for (uint256 group = 0; group < groups; ++group) {
            uint256 first = group * slots * ITEM;
            uint256 last = first + slots * ITEM < inputs.length ? first + slots * ITEM : inputs.length;
            bytes calldata proof = proofs[group * PROOF_BYTES:(group + 1) * PROOF_BYTES];
            if (!_verifyGroup(key, vkHash, slots, proof, inputs[first:last])) return false;
        }
        return true;
    }

    function _verifyGroup(
        address key,
        bytes32 vkHash,
        uint256 slots,
        bytes calldata proof,
        uint256[] calldata inputs
    ) private view returns (bool) {
        uint256[] memory signals = new uint256[](3);
        signals[2] = uint256(bytes32(proof[Groth16.PROOF_BYTES:]));
        require(signals[2] < BN254_R, IGroth16Errors.Groth16InputNotInField(inputs.length, signals[2]));
        bytes32 items;
        assembly ("memory-safe") {
            let free := mload(0x40)
            let size := shl(5, inputs.length)
            calldatacopy(free, inputs.offset, size)
            items := keccak256(free, size)
        }
        // 248 bits: below the field, and no bias worth a name.
        signals[0] =
            uint256(keccak256(abi.encode(TAG, block.chainid, address(this), vkHash, signals[2], inputs.length, items))) >> 8;
        signals[1] = evaluate(signals[0], slots, inputs);
        uint256 scalars;
        assembly ("memory-safe") {
            scalars := add(signals, 32)
        }
        return Groth16.holds(key, proof, scalars, 3);
    }

    /// @notice sum v_i c^(2i+1) + y_i c^(2i+2) over all slots, by Horner's rule from the last one.
    function evaluate(uint256 c, uint256 slots, uint256[] calldata inputs) internal pure returns (uint256 sum) {
        uint256 padding = slots - inputs.length / ITEM;
        uint256 highest;
        assembly ("memory-safe") {
            // Words 248 bits wide are the rule: one look at all their bits replaces three comparisons an item.
            let item := sub(add(inputs.offset, shl(5, inputs.length)), 96)
            let v := calldataload(add(item, 32))
            let y := calldataload(add(item, 64))
            for { } padding { padding := sub(padding, 1) } {
                sum := mulmod(addmod(mulmod(addmod(sum, y, BN254_R), c, BN254_R), v, BN254_R), c, BN254_R)
            }
            for { } iszero(lt(item, inputs.offset)) { item := sub(item, 96) } {
                v := calldataload(add(item, 32))
                y := calldataload(add(item, 64))
                highest := or(highest, or(calldataload(item), or(v, y)))
                sum := mulmod(addmod(mulmod(addmod(sum, y, BN254_R), c, BN254_R), v, BN254_R), c, BN254_R)
            }
        }
        if (highest >> 253 == 0) return sum;
        for (uint256 i = 0; i < inputs.length; ++i) {
            require(inputs[i] < BN254_R, IGroth16Errors.Groth16InputNotInField(i, inputs[i]));
        }
    }
}
