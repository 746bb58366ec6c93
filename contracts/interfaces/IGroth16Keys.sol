// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Verifier} from "./IGroth16Verifier.sol";

/// @title Verifying keys and how they were made
/// @notice Checks a key once, when it is registered, and deploys the verifier that will carry it for ever. One key has one
/// verifier, at an address that follows from the key.
///
/// SET-UP LEVELS (docs/ceremony.md). 0: the key was made from the published development trapdoor; anyone forges proofs.
/// 1: whoever made it may know its trapdoor. 2: a ceremony of three or more contributions with beacon and transcript, whose
/// record the protocol's authority has attested. Nobody can claim level 2 for himself, and a development key never leaves 0.
///
/// TRUST. Registration is open: a key says nothing about what is proved. That a key belongs to a model is the model
/// registry's statement, and `scripts` re-derive it from source.
interface IGroth16Keys {
    /// @notice Emitted once per key. `level` is 0 or 1.
    event Groth16KeyRegistered(bytes32 indexed vkHash, address indexed verifier, uint256 publicInputs, uint8 level);
    /// @notice A chain of layers, in order; its `vkHash` stands for all of them.
    event Groth16ChainRegistered(bytes32 indexed vkHash, address indexed verifier, bytes32[] layers);
    /// @notice A key whose circuit computes many items.
    event Groth16ManyRegistered(bytes32 indexed vkHash, address indexed verifier, bytes32 indexed key, uint256 slots);
    /// @notice The key's level is 2 from now on.
    event Groth16CeremonyAttested(bytes32 indexed vkHash, bytes32 indexed transcriptHash);

    /// Alpha, beta, gamma, delta (448 bytes), then one IC point of 64 bytes for each public input and one more: two at least.
    error Groth16KeyLength(uint256 length);
    /// More public inputs than a transaction should pay for.
    error Groth16KeyInputs(uint256 count, uint256 limit);
    /// Not on the curve, not in the subgroup, past the field, or the point at infinity. Index: 0 alpha, 1 beta, 2 gamma,
    /// 3 delta, from 4 on IC.
    error Groth16KeyPoint(uint256 index);
    /// Two IC points are equal: two public inputs could trade their values.
    error Groth16KeyIcRepeated(uint256 first, uint256 second);
    /// Delta is the generator: what set-up emits before anyone has contributed. Anyone forges proofs.
    error Groth16KeyDeltaIsGenerator();
    /// Gamma equals delta: a proof can move weight between public and private inputs.
    error Groth16KeyGammaIsDelta();
    /// A key with the public development trapdoor, on a chain that is not a development network.
    error Groth16KeyDevelopment(uint256 chainId);
    error Groth16KeyKnown(bytes32 vkHash, address verifier);
    error Groth16KeyUnknown(bytes32 vkHash);
    /// Development keys cannot be attested, nor what has no key of its own; an attestation is given once.
    error Groth16KeyNotAttestable(bytes32 vkHash, uint8 level);
    error Groth16TranscriptMissing();
    /// Fewer than two layers, or more than a transaction can pay for.
    error Groth16ChainLength(uint256 layers, uint256 limit);
    /// A layer has the public inputs (ctx, in, out) and is not a chain itself.
    error Groth16ChainLayer(uint256 index);
    /// The circuit of many items has the public inputs (c, e, h); one proof holds 1 to 1,024 items.
    error Groth16ManyShape(uint256 publicInputs, uint256 slots);
    /// Layers share alpha, beta and gamma: their set-ups start from one phase 1.
    error Groth16ChainPhaseOne(uint256 index);

    /// @notice Deploys the verifier of `key` (layout: IGroth16Verifier.key).
    function register(bytes calldata key) external returns (IGroth16Verifier verifier);

    /// @notice Deploys the verifier of a chain: layer i proves (ctx, h_i, h_(i+1)). The order is fixed here.
    /// @param layers Hashes of registered keys. vkHash of the chain = keccak256(abi.encode(CHAIN_TAG, layers)); its level is
    /// the lowest of theirs.
    function registerChain(bytes32[] calldata layers) external returns (IGroth16Verifier verifier);

    /// @notice Deploys the verifier of a key whose circuit computes `slots` items (see Groth16Many). A second face of the same
    /// key: vkHash = keccak256(abi.encode(MANY_TAG, key, slots)), and the level is the key's.
    function registerMany(bytes32 key, uint16 slots) external returns (IGroth16Verifier verifier);

    /// @notice Records that the ceremony behind a key was verified. Restricted: the authority's delayed role.
    /// @param transcriptHash keccak256 of the transcript file that `og zk verify-setup` writes.
    function attestCeremony(bytes32 vkHash, bytes32 transcriptHash) external;

    /// @notice Zero when the key is not registered.
    function verifierOf(bytes32 vkHash) external view returns (IGroth16Verifier);

    /// @notice Keys that this one stands on: a chain's layers, or the one behind many items. Empty for a key, and for an unknown one.
    function layersOf(bytes32 vkHash) external view returns (bytes32[] memory);

    /// @notice Whether this registry deployed `verifier`; other contracts may call themselves verifiers and say anything.
    function isVerifier(address verifier) external view returns (bool);

    /// @notice Reverts for an unknown key.
    function setupLevel(bytes32 vkHash) external view returns (uint8);

    /// @notice Zero before attestation.
    function transcriptHash(bytes32 vkHash) external view returns (bytes32);
}
