// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Fold} from "../interfaces/IGroth16Fold.sol";
import {IGroth16Keys} from "../interfaces/IGroth16Keys.sol";
import {IModelRegistry, ModelVersion} from "../interfaces/IModelRegistry.sol";
import {ProgramKind, Verification} from "../types/Enums.sol";
import {Paging} from "../libraries/Paging.sol";

/// @title Models
contract ModelRegistry is IModelRegistry {
    /// What changes, or is read by settlement; the rest is written once.
    struct Entry {
        address publisher;
        uint64 publishedAt;
        bool deprecated;
        address verifier;
        ProgramKind kind;
        uint8 methods;
        bool development; // in the verifier's slot
        bytes32 successor;
        ModelVersion version;
    }

    uint16 private constant MAX_ROYALTY_BPS = 3_000;
    uint256 private constant MAX_TEXT = 256;
    bytes32 private constant MODEL_TAG = keccak256("opengradient.model.v1");

    IGroth16Keys public immutable KEYS;
    IGroth16Fold public immutable FOLD;

    mapping(bytes32 modelId => Entry) private _models;
    mapping(bytes32 seriesId => bytes32[]) private _series;
    bytes32[] private _all;

    constructor(IGroth16Keys keys, IGroth16Fold fold) {
        require(address(keys) != address(0), ModelRegistryBadParams("keys"));
        require(address(fold) != address(0), ModelRegistryBadParams("fold"));
        (KEYS, FOLD) = (keys, fold);
    }

    /// @inheritdoc IModelRegistry
    function publishModel(ModelVersion calldata model_) external override returns (bytes32 modelId) {
        address verifier = _check(model_);
        modelId = modelIdOf(msg.sender, model_);
        Entry storage entry = _models[modelId];
        require(entry.publisher == address(0), ModelRegistryExists(modelId));

        entry.publisher = msg.sender;
        entry.publishedAt = uint64(block.timestamp);
        entry.verifier = verifier;
        entry.kind = model_.kind;
        entry.methods = model_.methods;
        entry.development = verifier != address(0) && KEYS.setupLevel(model_.vkHash) == 0;
        entry.version = model_;
        bytes32 seriesId = seriesIdOf(msg.sender, model_.name);
        _series[seriesId].push(modelId);
        _all.push(modelId);
        emit ModelPublished(modelId, seriesId, msg.sender, model_);
    }

    /// @inheritdoc IModelRegistry
    function deprecate(bytes32 modelId, bytes32 successor_) external override {
        Entry storage entry = _known(modelId);
        require(entry.publisher == msg.sender, ModelRegistryNotPublisher(modelId, msg.sender));
        require(successor_ != modelId && (successor_ == 0 || _models[successor_].publisher != address(0)), ModelRegistryBadParams("successor"));

        entry.deprecated = true;
        entry.successor = successor_;
        emit ModelDeprecated(modelId, successor_);
    }

    /// @inheritdoc IModelRegistry
    function model(bytes32 modelId) external view override returns (ModelVersion memory) {
        return _known(modelId).version;
    }

    /// @inheritdoc IModelRegistry
    function publisher(bytes32 modelId) external view override returns (address) {
        return _models[modelId].publisher;
    }

    /// @inheritdoc IModelRegistry
    function publishedAt(bytes32 modelId) external view override returns (uint64) {
        return _models[modelId].publishedAt;
    }

    /// @inheritdoc IModelRegistry
    function isDeprecated(bytes32 modelId) external view override returns (bool) {
        return _models[modelId].deprecated;
    }

    /// @inheritdoc IModelRegistry
    function successor(bytes32 modelId) external view override returns (bytes32) {
        return _models[modelId].successor;
    }

    /// @inheritdoc IModelRegistry
    function verifierOf(bytes32 modelId) external view override returns (address verifier, ProgramKind kind, uint8 methods) {
        Entry storage entry = _models[modelId];
        return (entry.verifier, entry.kind, entry.methods);
    }

    /// @inheritdoc IModelRegistry
    function proofRoute(bytes32 modelId) external view override returns (address verifier, bool development) {
        Entry storage entry = _models[modelId];
        return (entry.verifier, entry.development);
    }

    /// @inheritdoc IModelRegistry
    function royaltyOf(bytes32 modelId) external view override returns (address to, uint16 bps) {
        ModelVersion storage version = _models[modelId].version;
        return (version.royaltyTo, version.royaltyBps);
    }

    /// @inheritdoc IModelRegistry
    function versions(bytes32 seriesId, uint256 cursor, uint256 limit)
        external
        view
        override
        returns (bytes32[] memory ids, uint256 next)
    {
        require(limit <= Paging.MAX, ModelRegistryLimit(limit, Paging.MAX));
        return Paging.page(_series[seriesId], cursor, limit);
    }

    /// @inheritdoc IModelRegistry
    function models(uint256 cursor, uint256 limit) external view override returns (bytes32[] memory ids, uint256 next) {
        require(limit <= Paging.MAX, ModelRegistryLimit(limit, Paging.MAX));
        return Paging.page(_all, cursor, limit);
    }

    /// @inheritdoc IModelRegistry
    function modelCount() external view override returns (uint256) {
        return _all.length;
    }

    /// @inheritdoc IModelRegistry
    function modelIdOf(address publisher_, ModelVersion calldata model_) public view override returns (bytes32) {
        return keccak256(abi.encode(MODEL_TAG, block.chainid, address(this), publisher_, model_));
    }

    /// @inheritdoc IModelRegistry
    function seriesIdOf(address publisher_, string calldata name) public pure override returns (bytes32) {
        return keccak256(abi.encode(publisher_, name));
    }

    /// @return verifier Of the version's key, 0 without one.
    function _check(ModelVersion calldata model_) private view returns (address verifier) {
        require(_isText(model_.name), ModelRegistryBadParams("name"));
        require(_isText(model_.version), ModelRegistryBadParams("version"));
        require(_isText(model_.licence), ModelRegistryBadParams("licence"));
        require(model_.programHash != 0, ModelRegistryBadParams("programHash"));
        require(model_.kind != ProgramKind.None, ModelRegistryBadParams("kind"));
        require(model_.contentHash != 0, ModelRegistryBadParams("contentHash"));
        require(model_.royaltyBps <= MAX_ROYALTY_BPS, ModelRegistryRoyalty(model_.royaltyBps, MAX_ROYALTY_BPS));
        require((model_.royaltyTo == address(0)) == (model_.royaltyBps == 0), ModelRegistryBadParams("royaltyTo"));

        uint256 zk = _bit(Verification.Zkml) | _bit(Verification.TeeAndZkml);
        uint256 all = zk | _bit(Verification.Tee) | _bit(Verification.Vanilla);
        require(model_.methods != 0 && model_.methods & ~all == 0, ModelRegistryBadParams("methods"));
        // A proof is about an integer program; a float model and its integer form are two versions.
        bool proves = model_.methods & zk != 0;
        require(!proves || model_.kind == ProgramKind.Int, ModelRegistryBadParams("kind"));
        require(proves == (model_.vkHash != 0), ModelRegistryBadParams("vkHash"));
        if (proves) {
            verifier = address(KEYS.verifierOf(model_.vkHash));
            require(verifier != address(0), ModelRegistryUnknownKey(model_.vkHash));
        }
        _checkFold(model_, proves);
    }

    /// A universal circuit's key stands for one model only when the weights are in it, put there by Groth16Fold.
    function _checkFold(ModelVersion calldata model_, bool proves) private view {
        (bytes32 vkHash, bytes32 circuitHash, bytes32 weightsHash) = (model_.vkHash, model_.circuitHash, model_.weightsHash);
        if (circuitHash == 0 && weightsHash == 0) {
            require(!proves || !FOLD.isUniversal(vkHash), ModelRegistryUnfolded(vkHash));
            return;
        }
        require(proves, ModelRegistryBadParams("circuitHash"));
        // Many items in one proof: the fold is about the circuit's own key.
        bytes32[] memory layers = KEYS.layersOf(vkHash);
        bytes32 key = layers.length == 1 ? layers[0] : vkHash;
        require(FOLD.isFolded(key, circuitHash, weightsHash), ModelRegistryNotFolded(vkHash, circuitHash, weightsHash));
    }

    function _known(bytes32 modelId) private view returns (Entry storage entry) {
        entry = _models[modelId];
        require(entry.publisher != address(0), ModelRegistryUnknown(modelId));
    }

    function _bit(Verification method) private pure returns (uint256) {
        return 1 << uint8(method);
    }

    function _isText(string calldata text) private pure returns (bool) {
        return bytes(text).length != 0 && bytes(text).length <= MAX_TEXT;
    }
}
