// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Errors} from "../interfaces/IGroth16Verifier.sol";

// At file level, because assembly reads constants by a bare name only.

// Order of the curve's groups: the scalar field.
uint256 constant BN254_R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
// Forwarded to precompiles: their price (EIP-1108) and half of it again, so that a chain which reprices slightly does not
// brick an immutable verifier, while a bad point cannot burn a transaction.
uint256 constant BN254_ADD_GAS = 225;
uint256 constant BN254_MUL_GAS = 9_000;

// Offsets in a key contract's code, behind its zero byte: alpha (64 bytes) and beta (128), gamma (128), delta (128), the IC points (64 each).
uint256 constant GROTH16_ALPHA = 1;
uint256 constant GROTH16_GAMMA = 193;
uint256 constant GROTH16_DELTA = 321;
uint256 constant GROTH16_IC = 449;

/// @title Groth16 over BN254
/// @notice One proof against one key: e(A, B) = e(alpha, beta) e(IC_0 + sum x_i IC_i, gamma) e(C, delta).
///
/// The key lies in the code of a contract of its own and is copied straight to where the pairing precompile reads it. The
/// precompiles check what they are given: coordinates below q, G1 and G2 on their curves, G2 in its subgroup (G1 has no other).
/// What they do not check is public inputs, because they reduce scalars: that is done here.
///
/// Pointers are memory offsets. A pair is 192 bytes: a G1 point (64), a G2 point (128).
library Groth16 {
    /// Order of the curve's base field.
    uint256 internal constant Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;

    uint256 internal constant PROOF_BYTES = 256;
    uint256 internal constant G1_BYTES = 64;
    uint256 internal constant PAIR_BYTES = 192;

    /// As BN254_ADD_GAS.
    uint256 internal constant PAIRING_GAS = 67_500;
    uint256 internal constant PAIR_GAS = 51_000;

    function verify(address key, bytes calldata proof, uint256[] calldata inputs) internal view returns (bool) {
        require(proof.length == PROOF_BYTES, IGroth16Errors.Groth16ProofLength(proof.length));
        uint256 expected = inputCount(key);
        require(inputs.length == expected, IGroth16Errors.Groth16InputCount(inputs.length, expected));
        requireInField(inputs);
        uint256 scalars = allocate(inputs.length << 5);
        assembly ("memory-safe") {
            calldatacopy(scalars, inputs.offset, shl(5, inputs.length))
        }
        return holds(key, proof, scalars, inputs.length);
    }

    /// @notice The equation itself.
    /// @param proof 256 bytes or more. @param scalars Memory of `count` public inputs below the field, as many as the key has.
    /// @dev The whole key is copied once, behind the pairs, and its points are moved from there.
    function holds(address key, bytes calldata proof, uint256 scalars, uint256 count) internal view returns (bool) {
        // Pairs: (-A, B), (alpha, beta), (X, gamma), (C, delta).
        uint256 pairs = allocate(768 + 448 + ((count + 1) << 6));
        uint256 ic = pairs + 768 + 448;
        assembly ("memory-safe") {
            let head := add(pairs, 768)
            extcodecopy(key, head, GROTH16_ALPHA, add(448, shl(6, add(count, 1))))
            calldatacopy(pairs, proof.offset, 192)
            mcopy(add(pairs, 192), head, 192)
            mcopy(add(pairs, 384), ic, 64)
            mcopy(add(pairs, 448), add(head, 192), 128)
            calldatacopy(add(pairs, 576), add(proof.offset, 192), 64)
            mcopy(add(pairs, 640), add(head, 320), 128)
        }
        negate(pairs);
        // IC_0 times one is IC_0: it stands in its place already.
        if (!accumulate(ic + G1_BYTES, scalars, count, pairs + 384)) return false;
        return pairing(pairs, 4);
    }

    /// @notice Reverts for the first public input that is not below the field.
    function requireInField(uint256[] calldata inputs) internal pure {
        uint256 bad;
        assembly ("memory-safe") {
            let end := add(inputs.offset, shl(5, inputs.length))
            for { let at := inputs.offset } lt(at, end) { at := add(at, 32) } {
                if iszero(lt(calldataload(at), BN254_R)) {
                    bad := at
                    break
                }
            }
        }
        if (bad == 0) return;
        uint256 index;
        assembly ("memory-safe") {
            index := shr(5, sub(bad, inputs.offset))
        }
        revert IGroth16Errors.Groth16InputNotInField(index, inputs[index]);
    }

    /// @notice Writes sum scalars_i IC_i to `out`.
    /// @return ok False only if the key is broken, which registration excludes.
    function combineIc(address key, uint256[] memory scalars, uint256 out) internal view returns (bool ok) {
        uint256 length = scalars.length * G1_BYTES;
        uint256 ic = allocate(length);
        uint256 values;
        assembly ("memory-safe") {
            extcodecopy(key, ic, GROTH16_IC, length)
            values := add(scalars, 32)
            mcopy(out, ic, 64)
        }
        ok = scalars[0] == 1 || multiply(out, scalars[0], out);
        return ok && accumulate(ic + G1_BYTES, values + 32, scalars.length - 1, out);
    }

    /// @notice Adds sum scalars_i points_i, i < count, to the point at `sum`.
    /// @return ok False if a point is not on the curve.
    function accumulate(uint256 points, uint256 scalars, uint256 count, uint256 sum) internal view returns (bool ok) {
        uint256 failed;
        assembly ("memory-safe") {
            // Past the free pointer: the sum, then a point and its scalar, which become their product.
            let scratch := mload(0x40)
            let term := add(scratch, 64)
            mcopy(scratch, sum, 64)
            let end := add(scalars, shl(5, count))
            for { } lt(scalars, end) { scalars := add(scalars, 32) } {
                mcopy(term, points, 64)
                mstore(add(term, 64), mload(scalars))
                if iszero(staticcall(BN254_MUL_GAS, 7, term, 96, term, 64)) {
                    failed := BN254_MUL_GAS
                    break
                }
                if iszero(staticcall(BN254_ADD_GAS, 6, scratch, 128, scratch, 64)) {
                    failed := BN254_ADD_GAS
                    break
                }
                points := add(points, 64)
            }
            mcopy(sum, scratch, 64)
        }
        if (failed != 0) requireFed(failed);
        return failed == 0;
    }

    function inputCount(address key) internal view returns (uint256 count) {
        unchecked {
            // A key has two IC points at least: registration saw to it.
            return (key.code.length - GROTH16_IC) / G1_BYTES - 1;
        }
    }

    /// @dev Memory that nothing else is given. Solidity does not promise zeros; callers fill it.
    function allocate(uint256 size) internal pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := mload(0x40)
            mstore(0x40, add(pointer, size))
        }
    }

    /// @notice Negates a G1 point in place. A y beyond the field stays beyond it (q - y wraps to more than q), so the
    /// precompile still refuses it; infinity, written (0, 0), stays infinity.
    function negate(uint256 point) internal pure {
        assembly ("memory-safe") {
            let y := mload(add(point, 32))
            if y { mstore(add(point, 32), sub(Q, y)) }
        }
    }

    /// @notice out = scalar * point. False if the point is not on the curve.
    function multiply(uint256 point, uint256 scalar, uint256 out) internal view returns (bool ok) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            mcopy(scratch, point, 64)
            mstore(add(scratch, 64), scalar)
            ok := staticcall(BN254_MUL_GAS, 7, scratch, 96, out, 64)
        }
        if (!ok) requireFed(BN254_MUL_GAS);
    }

    /// @notice out = left + right.
    function add(uint256 left, uint256 right, uint256 out) internal view returns (bool ok) {
        assembly ("memory-safe") {
            // Past the free pointer: needed for this call only.
            let scratch := mload(0x40)
            mcopy(scratch, left, 64)
            mcopy(add(scratch, 64), right, 64)
            ok := staticcall(BN254_ADD_GAS, 6, scratch, 128, out, 64)
        }
        if (!ok) requireFed(BN254_ADD_GAS);
    }

    /// @notice Whether the product of the pairs' pairings is one. False also for points that are not on their curves.
    function pairing(uint256 pairs, uint256 count) internal view returns (bool one) {
        uint256 gasCap = PAIRING_GAS + PAIR_GAS * count;
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gasCap, 8, pairs, mul(count, 192), 0, 32)
            one := and(ok, eq(mload(0), 1))
        }
        if (!ok) requireFed(gasCap);
    }

    /// @dev A failed precompile has eaten what it was given. It was given `gasCap` unless less than 64/63 of that was left, in
    /// which case no more than a 63rd of `gasCap` is left now: then the failure says nothing about the proof.
    function requireFed(uint256 gasCap) internal view {
        require(gasleft() > gasCap / 63, IGroth16Errors.Groth16GasTooLow(gasleft()));
    }
}
