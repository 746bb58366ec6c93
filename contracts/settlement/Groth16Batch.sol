// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Errors} from "../interfaces/IGroth16Verifier.sol";
import {Groth16} from "./Groth16.sol";

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
        uint256 term;
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
        _requireAscending(inputs, work.count, work.width);

        work.seed = keccak256(
            abi.encode(TAG, block.chainid, address(this), vkHash, work.count, keccak256(proofs), _hash(inputs, 0, inputs.length))
        );
        work.pairs = Groth16.allocate((work.count + 3) * Groth16.PAIR_BYTES);
        work.sumC = Groth16.allocate(Groth16.G1_BYTES);
        work.term = Groth16.allocate(Groth16.G1_BYTES);
        work.scalars = new uint256[](work.width + 1);
        for (uint256 i = 0; i < work.count; ++i) {
            if (!_addProof(work, i, proofs, inputs)) return false;
        }
        return _closes(work);
    }

    /// @dev Repeats are refused here because a caller pays per statement; an order makes that one comparison each.
    function _requireAscending(uint256[] calldata inputs, uint256 count, uint256 width) private pure {
        uint256 previous;
        for (uint256 i = 0; i < count; ++i) {
            bytes32 statement = _hash(inputs, i * width, width);
            require(i == 0 || uint256(statement) > previous, IGroth16Errors.Groth16StatementOrder(i));
            previous = uint256(statement);
        }
    }

    /// @notice keccak256 of `count` inputs from `first` on.
    function _hash(uint256[] calldata inputs, uint256 first, uint256 count) private pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            // Past the free pointer: needed for this hash only.
            let free := mload(0x40)
            calldatacopy(free, add(inputs.offset, shl(5, first)), shl(5, count))
            digest := keccak256(free, shl(5, count))
        }
    }

    /// @notice Writes the pair (r A, B), adds r C to the sum and r, r x_j to the scalars of IC.
    function _addProof(Work memory work, uint256 index, bytes calldata proofs, uint256[] calldata inputs)
        private
        view
        returns (bool ok)
    {
        uint256 r = 1;
        if (index != 0) {
            bytes32 seed = work.seed;
            assembly ("memory-safe") {
                mstore(0, seed)
                mstore(32, index)
                r := and(keccak256(0, 64), COEFFICIENT_MASK)
            }
        }
        uint256 pair = work.pairs + index * Groth16.PAIR_BYTES;
        (uint256 sumC, uint256 term) = (work.sumC, work.term);
        assembly ("memory-safe") {
            let proof := add(proofs.offset, mul(index, 256))
            calldatacopy(pair, proof, 192)
            switch index
            case 0 { calldatacopy(sumC, add(proof, 192), 64) }
            default { calldatacopy(term, add(proof, 192), 64) }
        }
        // The first A is judged by the pairing and the first C by the addition, or, alone, by the pairing.
        ok = index == 0
            || (Groth16.multiply(pair, r, pair) && Groth16.multiply(term, r, term) && Groth16.add(sumC, term, sumC));

        uint256[] memory scalars = work.scalars;
        unchecked {
            // At most 2^128 times the number of proofs that fit into a block.
            scalars[0] += r;
            uint256 first = index * work.width;
            for (uint256 j = 1; j < scalars.length; ++j) {
                uint256 value = inputs[first + j - 1];
                require(value < Groth16.R, IGroth16Errors.Groth16InputNotInField(first + j - 1, value));
                scalars[j] = addmod(scalars[j], mulmod(r, value, Groth16.R), Groth16.R);
            }
        }
    }

    /// @notice Appends the key's three pairs, negated, and evaluates the product.
    function _closes(Work memory work) private view returns (bool) {
        uint256 last = work.pairs + work.count * Groth16.PAIR_BYTES;
        (address key, uint256 sumC) = (work.key, work.sumC);
        assembly ("memory-safe") {
            extcodecopy(key, last, 1, 192) // alpha, beta
            extcodecopy(key, add(last, 256), 193, 128) // gamma
            mcopy(add(last, 384), sumC, 64)
            extcodecopy(key, add(last, 448), 321, 128) // delta
        }
        if (!Groth16.multiply(last, work.scalars[0], last)) return false;
        if (!Groth16.combineIc(key, work.scalars, last + 192)) return false;
        Groth16.negate(last);
        Groth16.negate(last + 192);
        Groth16.negate(last + 384);
        return Groth16.pairing(work.pairs, work.count + 3);
    }
}
