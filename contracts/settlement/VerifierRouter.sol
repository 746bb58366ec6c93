// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IVerifierRouter} from "../interfaces/IVerifierRouter.sol";
import {DevelopmentKey} from "../verifiers/DevelopmentKey.sol";

/// @title From a model version to the contract that verifies its proofs
contract VerifierRouter is IVerifierRouter, AccessManaged {
    struct Freeze {
        uint64 since;
        uint64 until;
    }

    uint64 private constant FREEZE = 7 days;

    IModelRegistry public immutable MODELS;

    mapping(bytes32 modelId => Freeze) private _freezes;

    constructor(address authority, IModelRegistry models) AccessManaged(authority) {
        MODELS = models;
    }

    /// @inheritdoc IVerifierRouter
    function freeze(bytes32 modelId) external override restricted {
        (address verifier,,) = MODELS.verifierOf(modelId);
        require(verifier != address(0), VerifierRouterNoVerifier(modelId));
        // Back to back freezes would be a veto without an end.
        uint64 notBefore = _freezes[modelId].until == 0 ? 0 : _freezes[modelId].until + FREEZE;
        require(block.timestamp >= notBefore, VerifierRouterFreezeTooSoon(modelId, notBefore));

        _freeze(modelId);
    }

    /// @inheritdoc IVerifierRouter
    function freezeContradicted(bytes32 modelId) external override restricted {
        emit ModelContradicted(modelId);
        _freeze(modelId);
    }

    /// @inheritdoc IVerifierRouter
    function unfreeze(bytes32 modelId) external override restricted {
        require(_freezes[modelId].until > block.timestamp, VerifierRouterNotFrozen(modelId, _freezes[modelId].until));
        _freezes[modelId].until = uint64(block.timestamp);
        emit ModelUnfrozen(modelId, uint64(block.timestamp));
    }

    /// @inheritdoc IVerifierRouter
    function verify(bytes32 modelId, bytes calldata proof, uint256[] calldata publicInputs) external view override returns (bool) {
        return verifierFor(modelId).verify(proof, publicInputs);
    }

    /// @inheritdoc IVerifierRouter
    function verifyBatch(bytes32 modelId, bytes calldata proofs, uint256[] calldata publicInputs)
        external
        view
        override
        returns (bool)
    {
        return verifierFor(modelId).verifyBatch(proofs, publicInputs);
    }

    /// @inheritdoc IVerifierRouter
    function frozen(bytes32 modelId) external view override returns (uint64 since, uint64 until) {
        return (_freezes[modelId].since, _freezes[modelId].until);
    }

    /// @inheritdoc IVerifierRouter
    function verifierFor(bytes32 modelId) public view override returns (IGroth16Verifier) {
        uint64 until = _freezes[modelId].until;
        require(until <= block.timestamp, VerifierRouterFrozen(modelId, until));
        (address verifier, bool development) = MODELS.proofRoute(modelId);
        require(verifier != address(0), VerifierRouterNoVerifier(modelId));
        require(!development || DevelopmentKey.allowedOn(block.chainid), VerifierRouterDevelopmentKey(modelId, block.chainid));
        return IGroth16Verifier(verifier);
    }

    /// @inheritdoc IVerifierRouter
    function route(bytes32 modelId) public view override returns (address verifier, uint8 setupLevel) {
        (verifier,,) = MODELS.verifierOf(modelId);
        if (verifier != address(0)) setupLevel = IGroth16Verifier(verifier).setupLevel();
    }

    function _freeze(bytes32 modelId) private {
        uint64 until = uint64(block.timestamp) + FREEZE;
        _freezes[modelId] = Freeze(uint64(block.timestamp), until);
        emit ModelFrozen(modelId, until);
    }
}
