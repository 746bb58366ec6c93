// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Groth16 errors
/// @notice What a caller did wrong. A proof that is merely not valid is `false`, never an error: a point off its curve, a
/// coordinate past the field and an unmet equation are all answers to "is this a proof?", and the answer is no.
interface IGroth16Errors {
    /// A proof is 256 bytes: A, B, C. A batch is a whole number of them, one at least.
    error Groth16ProofLength(uint256 length);
    /// The key has another number of public inputs; `expected` is for the whole call.
    error Groth16InputCount(uint256 given, uint256 expected);
    /// Public inputs stand for residues: only the residue below the field's order is accepted, or a statement had many names.
    error Groth16InputNotInField(uint256 index, uint256 value);
    /// A batch lists statements by ascending keccak256 of their inputs; this one repeats or precedes the one before.
    error Groth16StatementOrder(uint256 index);
    /// A precompile was starved: the answer would say "no" about a proof that may be good. Retry with more gas.
    error Groth16GasTooLow(uint256 left);
}

/// @title Groth16 verifier
/// @notice Verifies proofs over BN254 under one key, which is fixed for the life of the contract. Stateless: replay is the
/// caller's concern and must be keyed by the statement (public inputs) or the request, never by proof bytes, which anyone
/// can re-randomise.
///
/// ENCODING. proof = A (x, y) | B (x imaginary, x real, y imaginary, y real) | C (x, y), each coordinate 32 bytes big-endian:
/// the order of the precompiles. `circuits/setup/encode.ts` makes it from snarkjs's JSON.
/// GAS. A bad point burns all gas forwarded to its precompile, so forwarded gas is capped near the precompile's price.
interface IGroth16Verifier is IGroth16Errors {
    /// @return Whether `proof` proves the statement `publicInputs`.
    function verify(bytes calldata proof, uint256[] calldata publicInputs) external view returns (bool);

    /// @notice Verifies many proofs under this key at once, by a random linear combination of their equations.
    /// @param proofs Proofs, one after another.
    /// @param publicInputs Inputs of the first, of the second, ...; statements strictly ascending by keccak256(inputs), so
    /// that none is counted twice.
    /// @return Whether all of them are valid. One bad proof makes it false: keepers verify before they submit, and bisect.
    /// @dev Coefficients come from a hash of everything: chain, this contract, key, count, proofs, inputs.
    function verifyBatch(bytes calldata proofs, uint256[] calldata publicInputs) external view returns (bool);

    /// @notice Contract whose code is a zero byte and the key: alpha, beta, gamma, delta, IC points, as in ENCODING.
    function key() external view returns (address);

    /// @notice keccak256 of the key's bytes, without the leading zero.
    function vkHash() external view returns (bytes32);

    function publicInputCount() external view returns (uint256);

    /// @notice How the key was made: 0 development (its trapdoor is public), 1 one party, 2 attested ceremony.
    function setupLevel() external view returns (uint8);
}
