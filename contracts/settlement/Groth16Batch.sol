// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// The rule does not see uses in assembly.
// solhint-disable no-unused-import

import {IGroth16Errors} from "../interfaces/IGroth16Verifier.sol";
import {BN254_MUL_GAS, BN254_R, GROTH16_ALPHA, GROTH16_DELTA, GROTH16_GAMMA, Groth16} from "./Groth16.sol";

/// @title Many Groth16 proofs under one key
/// @notice N equations are multiplied together, each raised to a coefficient that is fixed only when all of them are known:
///   prod e(r_i A_i, B_i) = e((sum r_i) alpha, beta) e(sum r_i X_i, gamma) e(sum r_i C_i, delta),
/// N + 3 pairings instead of 4N. A false equation among them survives with probability 2^-128 for each attempt at the hash.
/// The first coefficient is one: scaling all of them by a constant changes nothing, and it saves two products.
library Groth16Batch {
    bytes32 private constant TAG = keccak256("opengradient.groth16.batch.v1");
    /// r_1, r_2, ...: 128 bits, which halve nothing on chain (the precompile's price is flat) but all of a keeper's check.
    uint256 private constant COEFFICIENT_MASK = 0xffffffffffffffffffffffffffffffff;

    /// @dev Memory of one call; kept together because the stack is short.
    struct Work {
        address key;
        uint256 count;
        uint256 width;
        bytes32 seed;
        uint256 pairs;
        uint256 sumC;
        uint256[] scalars;
    }

    function verify(address key, bytes32 vkHash, bytes calldata proofs, uint256[] calldata inputs) internal view returns (bool) {
        Work memory work;
        work.key = key;
        work.count = proofs.length / Groth16.PROOF_BYTES;
        require(
            work.count > 0 && proofs.length % Groth16.PROOF_BYTES == 0, IGroth16Errors.Groth16ProofLength(proofs.length)
        );
        work.width = Groth16.inputCount(key);
        uint256 expected = work.count * work.width;
        require(inputs.length == expected, IGroth16Errors.Groth16InputCount(inputs.length, expected));
        requireAscending(inputs, work.count, work.width);
        Groth16.requireInField(inputs);

        work.seed = keccak256(
            abi.encode(TAG, block.chainid, address(this), vkHash, work.count, keccak256(proofs), _hash(inputs))
        );
        work.pairs = Groth16.allocate((work.count + 3) * Groth16.PAIR_BYTES);
        work.sumC = Groth16.allocate(Groth16.G1_BYTES);
        work.scalars = new uint256[](work.width + 1);
        return _fold(work, proofs) && _scale(work, inputs) && _closes(work);
    }

    /// @dev Repeats are refused here because a caller pays per statement; an order makes that one comparison each.
    function requireAscending(uint256[] calldata inputs, uint256 count, uint256 width) internal pure {
        // Zero stands for "all in order": the first statement has nothing to precede it.
        uint256 misplaced;
        assembly ("memory-safe") {
            // Past the free pointer: needed for one hash at a time.
            let free := mload(0x40)
            let size := shl(5, width)
            let from := inputs.offset
            let previous := 0
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                calldatacopy(free, from, size)
                let statement := keccak256(free, size)
                if iszero(gt(statement, previous)) {
                    misplaced := i
                    break
                }
                previous := statement
                from := add(from, size)
            }
        }
        require(misplaced == 0, IGroth16Errors.Groth16StatementOrder(misplaced));
    }

    /// @notice keccak256 of all inputs.
    function _hash(uint256[] calldata inputs) private pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, inputs.offset, shl(5, inputs.length))
            digest := keccak256(free, shl(5, inputs.length))
        }
    }

    /// @notice Writes the pairs (r A, B) and the sum of the r C.
    /// @dev The first A is judged by the pairing and the first C by an addition, or, alone, by the pairing.
    function _fold(Work memory work, bytes calldata proofs) private view returns (bool) {
        (bytes32 seed, uint256 pair, uint256 sumC, uint256 count) = (work.seed, work.pairs, work.sumC, work.count);
        // The other C and their coefficients, side by side: what `accumulate` adds up.
        uint256 points = Groth16.allocate((count - 1) * (Groth16.G1_BYTES + 32));
        bool broken;
        assembly ("memory-safe") {
            let proof := proofs.offset
            calldatacopy(pair, proof, 192)
            calldatacopy(sumC, add(proof, 192), 64)
            mstore(0, seed)
            let to := points
            let scalar := add(points, shl(6, sub(count, 1)))
            // Past the free pointer: a point A and its coefficient.
            let term := mload(0x40)
            for { let i := 1 } lt(i, count) { i := add(i, 1) } {
                proof := add(proof, 256)
                pair := add(pair, 192)
                mstore(32, i)
                mstore(scalar, and(keccak256(0, 64), COEFFICIENT_MASK))
                mstore(add(term, 64), mload(scalar))
                calldatacopy(term, proof, 64)
                if iszero(staticcall(BN254_MUL_GAS, 7, term, 96, pair, 64)) {
                    broken := 1
                    break
                }
                calldatacopy(add(pair, 64), add(proof, 64), 128)
                calldatacopy(to, add(proof, 192), 64)
                to := add(to, 64)
                scalar := add(scalar, 32)
            }
        }
        if (broken) {
            Groth16.requireFed(BN254_MUL_GAS);
            return false;
        }
        return Groth16.accumulate(points, points + (count - 1) * Groth16.G1_BYTES, count - 1, sumC);
    }

    /// @notice Scalars of IC: the sum of the r, then of the r x_j.
    function _scale(Work memory work, uint256[] calldata inputs) private pure returns (bool) {
        (bytes32 seed, uint256 count, uint256[] memory scalars) = (work.seed, work.count, work.scalars);
        assembly ("memory-safe") {
            let first := add(scalars, 64)
            let end := add(first, shl(5, sub(mload(scalars), 1)))
            let from := inputs.offset
            let sum := 0
            mstore(0, seed)
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                let r := 1
                if i {
                    mstore(32, i)
                    r := and(keccak256(0, 64), COEFFICIENT_MASK)
                }
                // At most 2^128 times the number of proofs that fit into a block.
                sum := add(sum, r)
                for { let at := first } lt(at, end) { at := add(at, 32) } {
                    mstore(at, addmod(mload(at), mulmod(r, calldataload(from), BN254_R), BN254_R))
                    from := add(from, 32)
                }
            }
            mstore(add(scalars, 32), sum)
        }
        return true;
    }

    /// @notice Appends the key's three pairs, negated, and evaluates the product.
    function _closes(Work memory work) private view returns (bool) {
        uint256 last = work.pairs + work.count * Groth16.PAIR_BYTES;
        (address key, uint256 sumC) = (work.key, work.sumC);
        assembly ("memory-safe") {
            extcodecopy(key, last, GROTH16_ALPHA, 192) // and beta
            extcodecopy(key, add(last, 256), GROTH16_GAMMA, 128)
            mcopy(add(last, 384), sumC, 64)
            extcodecopy(key, add(last, 448), GROTH16_DELTA, 128)
        }
        if (!Groth16.multiply(last, work.scalars[0], last)) return false;
        if (!Groth16.combineIc(key, work.scalars, last + 192)) return false;
        Groth16.negate(last);
        Groth16.negate(last + 192);
        Groth16.negate(last + 384);
        return Groth16.pairing(work.pairs, work.count + 3);
    }
}
