// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Errors} from "../interfaces/IGroth16Verifier.sol";

/// @title Groth16 over BN254
/// @notice One proof against one key: e(A, B) = e(alpha, beta) e(IC_0 + sum x_i IC_i, gamma) e(C, delta).
///
/// The key lies in the code of a contract of its own and is copied straight to where the pairing precompile reads it. The
/// precompiles check what they are given: coordinates below q, G1 and G2 on their curves, G2 in its subgroup (G1 has no other).
/// What they do not check is public inputs, because they reduce scalars: that is done here.
///
/// Pointers are memory offsets. A pair is 192 bytes: a G1 point (64), a G2 point (128).
library Groth16 {
    /// Order of the curve's base field, and of its groups (the scalar field).
    uint256 internal constant Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;
    uint256 internal constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    uint256 internal constant PROOF_BYTES = 256;
    uint256 internal constant G1_BYTES = 64;
    uint256 internal constant PAIR_BYTES = 192;

    /// Offsets in the key contract's code, behind its zero byte.
    uint256 internal constant KEY_ALPHA = 1;
    uint256 internal constant KEY_BETA = 65;
    uint256 internal constant KEY_GAMMA = 193;
    uint256 internal constant KEY_DELTA = 321;
    uint256 internal constant KEY_IC = 449;

    /// Forwarded to precompiles: their price (EIP-1108) and half of it again, so that a chain which reprices slightly does not
    /// brick an immutable verifier, while a bad point cannot burn a transaction.
    uint256 internal constant ADD_GAS = 225;
    uint256 internal constant MUL_GAS = 9_000;
    uint256 internal constant PAIRING_GAS = 67_500;
    uint256 internal constant PAIR_GAS = 51_000;

    function verify(address key, bytes calldata proof, uint256[] calldata inputs) internal view returns (bool) {
        require(proof.length == PROOF_BYTES, IGroth16Errors.Groth16ProofLength(proof.length));
        uint256 expected = inputCount(key);
        require(inputs.length == expected, IGroth16Errors.Groth16InputCount(inputs.length, expected));

        // Pairs: (-A, B), (alpha, beta), (X, gamma), (C, delta).
        uint256 pairs = allocate(4 * PAIR_BYTES);
        assembly ("memory-safe") {
            calldatacopy(pairs, proof.offset, 192)
            calldatacopy(add(pairs, 576), add(proof.offset, 192), 64)
            extcodecopy(key, add(pairs, 192), KEY_ALPHA, 192)
            extcodecopy(key, add(pairs, 448), KEY_GAMMA, 128)
            extcodecopy(key, add(pairs, 640), KEY_DELTA, 128)
        }
        negate(pairs);
        uint256[] memory scalars = new uint256[](inputs.length + 1);
        scalars[0] = 1;
        for (uint256 i = 0; i < inputs.length; ++i) {
            require(inputs[i] < R, IGroth16Errors.Groth16InputNotInField(i, inputs[i]));
            scalars[i + 1] = inputs[i];
        }
        if (!combineIc(key, scalars, pairs + 384)) return false;
        return pairing(pairs, 4);
    }

    /// @notice Writes sum scalars_i IC_i to `out`.
    /// @return ok False only if the key is broken, which registration excludes.
    function combineIc(address key, uint256[] memory scalars, uint256 out) internal view returns (bool ok) {
        uint256 length = scalars.length * G1_BYTES;
        uint256 ic = allocate(length);
        assembly ("memory-safe") {
            extcodecopy(key, ic, KEY_IC, length)
            // IC_0 times one is IC_0: the single verifier saves a product.
            mcopy(out, ic, 64)
        }
        ok = scalars[0] == 1 || multiply(out, scalars[0], out);
        for (uint256 i = 1; i < scalars.length && ok; ++i) {
            uint256 point = ic + i * G1_BYTES;
            ok = multiply(point, scalars[i], point) && add(out, point, out);
        }
    }

    function inputCount(address key) internal view returns (uint256 count) {
        return (key.code.length - KEY_IC) / G1_BYTES - 1;
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
            ok := staticcall(MUL_GAS, 7, scratch, 96, out, 64)
        }
        if (!ok) requireFed(MUL_GAS);
    }

    /// @notice out = left + right.
    function add(uint256 left, uint256 right, uint256 out) internal view returns (bool ok) {
        assembly ("memory-safe") {
            // Past the free pointer: needed for this call only.
            let scratch := mload(0x40)
            mcopy(scratch, left, 64)
            mcopy(add(scratch, 64), right, 64)
            ok := staticcall(ADD_GAS, 6, scratch, 128, out, 64)
        }
        if (!ok) requireFed(ADD_GAS);
    }

    /// @notice Whether the product of the pairs' pairings is one. False also for points that are not on their curves.
    function pairing(uint256 pairs, uint256 count) internal view returns (bool holds) {
        uint256 gasCap = PAIRING_GAS + PAIR_GAS * count;
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gasCap, 8, pairs, mul(count, 192), 0, 32)
            holds := and(ok, eq(mload(0), 1))
        }
        if (!ok) requireFed(gasCap);
    }

    /// @dev A failed precompile has eaten what it was given. It was given `gasCap` unless less than 64/63 of that was left, in
    /// which case no more than a 63rd of `gasCap` is left now: then the failure says nothing about the proof.
    function requireFed(uint256 gasCap) private view {
        require(gasleft() > gasCap / 63, IGroth16Errors.Groth16GasTooLow(gasleft()));
    }
}
