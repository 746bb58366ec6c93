// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Verifier} from "./IGroth16Verifier.sol";

/// @title Keys of retrained models without a new ceremony
/// @notice A universal circuit takes a model's weights as public inputs behind (ctx, in, out). For one model they are constants,
/// so their share of the verification is a constant too and is folded into the key once:
///   IC_0' = IC_0 + sum w_j IC_(k + j), where k inputs remain.
///
/// WHY ON CHAIN. Whoever may name IC_0' freely forges: P = -(sum of the other terms) and the proof (alpha, beta, infinity)
/// verifies. So this contract computes it (or lets a claim stand that everyone could refute: IGroth16FoldClaims), from IC points that the circuit's registration committed to and from weights that
/// everyone sees in calldata. Packing them here makes their range a fact: a weight is a signed byte.
/// WHAT THE KEY SAYS. `isFolded(vkHash, circuitHash, weightsHash)`: a model registry names all three. A key alone says nothing,
/// since a circuit of somebody's own making can be bent to lead to any key.
/// COST. About 11,500 gas for each packed word, calldata and all; a chunk of 64 words fits easily into a transaction.
interface IGroth16Fold {
    event Groth16CircuitRegistered(bytes32 indexed circuitHash, uint256 weights, uint256 chunks);
    event Groth16CircuitAttested(bytes32 indexed circuitHash, bytes32 indexed transcriptHash);
    event Groth16ChunkFolded(bytes32 indexed circuitHash, address indexed sender, bytes32 salt, uint256 chunk);
    event Groth16KeyFolded(
        bytes32 indexed vkHash, bytes32 indexed circuitHash, bytes32 indexed weightsHash, address verifier
    );

    /// lanes * laneBits <= 252, a lane holds a signed byte, and the chunks cover the weights exactly.
    error Groth16FoldShape(uint256 weights, uint256 chunks, uint256 lanes, uint256 laneBits);
    error Groth16FoldCircuitKnown(bytes32 circuitHash);
    error Groth16FoldCircuitUnknown(bytes32 circuitHash);
    /// All chunks are in: `finish` is next.
    error Groth16FoldComplete(uint256 chunks);
    error Groth16FoldIncomplete(uint256 done, uint256 chunks);
    /// The IC points are not those of this chunk.
    error Groth16FoldChunk(uint256 chunk, bytes32 given, bytes32 expected);
    error Groth16FoldWeights(uint256 given, uint256 expected);
    /// An IC point (of this chunk, or this constant's) is not on the curve: the circuit's registration was worthless.
    error Groth16FoldPoint(uint256 index);
    /// Not the base key of this circuit.
    error Groth16FoldBase(bytes32 given, bytes32 expected);
    error Groth16FoldUnknown(bytes32 vkHash, bytes32 circuitHash, bytes32 weightsHash);
    error Groth16FoldNotAttested(bytes32 circuitHash);
    error Groth16FoldConstants(uint256 constants, uint256 inputs);

    /// @notice Commits to a universal circuit's key.
    /// @param base Key of the inputs that remain (layout: IGroth16Verifier.key): alpha to delta, IC_0 to IC_k.
    /// @param chunkHashes keccak256 of each run of 64 IC points (the last may be shorter) behind those.
    /// @param weights Number of weights. Word j holds weights j * lanes, ...: the sum of w << (laneBits * lane).
    function registerCircuit(
        bytes calldata base,
        bytes32[] calldata chunkHashes,
        uint32 weights,
        uint8 lanes,
        uint8 laneBits
    ) external returns (bytes32 circuitHash);

    /// @notice Records the ceremony behind a universal circuit, and from now on no model version goes under its key without naming what
    /// was folded in. Restricted, like IGroth16Keys.attestCeremony; refuses development keys.
    /// @param circuitHash As registerCircuit returned it; for foldConstants the vkHash of the whole key, registered in Groth16Keys and
    /// never attested there: attested, it would be a key of level 2 whose prover chooses the weights.
    function attestCircuit(bytes32 circuitHash, bytes32 transcriptHash) external;

    /// @notice Folds the sender's next chunk. Resumable; folds under another sender or salt do not meet.
    /// @param points IC points of the chunk. @param weights Its weights, one signed byte each.
    function fold(bytes32 circuitHash, bytes32 salt, bytes calldata points, bytes calldata weights) external;

    /// @notice Registers the key when all chunks are in.
    function finish(bytes32 circuitHash, bytes32 salt, bytes calldata base) external returns (IGroth16Verifier verifier);

    /// @notice The same in one call for few inputs that are constant for a model, such as a commitment to private weights:
    /// the last inputs of `key` become `constants`, so no caller can choose them. circuitHash is the key's vkHash here.
    function foldConstants(bytes calldata key, uint256[] calldata constants) external returns (IGroth16Verifier verifier);

    /// @notice Hands the circuit's set-up level 2 on to a folded key. Anyone, once the circuit is attested here. This contract needs the authority's permission for IGroth16Keys.attestCeremony.
    function inheritLevel(bytes32 vkHash, bytes32 circuitHash, bytes32 weightsHash) external;

    /// @notice Whether this contract computed the key from this circuit and these weights.
    /// @param weightsHash Of chunks: h = keccak256(h | keccak256(chunk's weights)) from zero on. Of constants: keccak256(words).
    function isFolded(bytes32 vkHash, bytes32 circuitHash, bytes32 weightsHash) external view returns (bool);

    /// @notice Whether the key, or one that it stands on, came out of the ceremony of an attested universal circuit: it has the circuit's
    /// alpha, beta, gamma and delta. Whole, folded, or with a point that somebody made up.
    function isUniversal(bytes32 vkHash) external view returns (bool);

    /// @notice Chunks that are in.
    function progress(bytes32 circuitHash, address sender, bytes32 salt) external view returns (uint256 done, uint256 chunks);
}
