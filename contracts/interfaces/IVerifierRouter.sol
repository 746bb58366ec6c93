// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Verifier} from "./IGroth16Verifier.sol";

/// @title From a model version to the contract that verifies its proofs
/// @notice The route is the verifier that ModelRegistry fixed when the version was published, so it cannot be replaced
/// (S12). A guardian may freeze the proofs of *one model version* for 7 days; the freeze ends by itself, and another
/// model under the same key is not touched.
interface IVerifierRouter {
    event ModelFrozen(bytes32 indexed modelId, uint64 until);
    /// An attested image and a proof disagreed about an output.
    event ModelContradicted(bytes32 indexed modelId);
    event ModelUnfrozen(bytes32 indexed modelId, uint64 at);

    error VerifierRouterNoVerifier(bytes32 modelId);
    error VerifierRouterFrozen(bytes32 modelId, uint64 until);
    /// Set-up level 0: the key's trapdoor is public. Accepted on development chains (31337, 713370, 713371) only.
    error VerifierRouterDevelopmentKey(bytes32 modelId, uint256 chainId);
    error VerifierRouterNotFrozen(bytes32 modelId, uint64 until);
    error VerifierRouterFreezeTooSoon(bytes32 modelId, uint64 notBefore);

    /// @notice Whether the proof holds under the version's key. Reverts by name where there is nothing to verify with.
    function verify(bytes32 modelId, bytes calldata proof, uint256[] calldata publicInputs) external view returns (bool);

    /// @notice Whether all of them hold, in one check: see IGroth16Verifier.verifyBatch.
    function verifyBatch(bytes32 modelId, bytes calldata proofs, uint256[] calldata publicInputs) external view returns (bool);

    /// @notice Guardian: stops proofs of one version for 7 days; may be repeated only 7 days after the last one's end.
    function freeze(bytes32 modelId) external;
    /// @notice Guardian: ends a version's freeze before its time. Reverts `VerifierRouterNotFrozen`.
    function unfreeze(bytes32 modelId) external;

    /// @notice FaultCourt (AccessManager): an attested image and a proof of level 2 disagree about this version. Stops its proofs for 7
    /// days from now, whenever the last freeze was.
    function freezeContradicted(bytes32 modelId) external;

    /// @return since Start of the last freeze, 0 if never frozen.
    /// @return until Its end.
    function frozen(bytes32 modelId) external view returns (uint64 since, uint64 until);

    /// @notice The verifier whose answers count now and here, for callers that ask it themselves and save the way through this
    /// contract. Reverts by name where there is none: not one to keep, since a freeze may come.
    function verifierFor(bytes32 modelId) external view returns (IGroth16Verifier);

    /// @return verifier 0 without one.
    /// @return setupLevel See IGroth16Verifier.
    function route(bytes32 modelId) external view returns (address verifier, uint8 setupLevel);
}
