// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ProgramKind} from "../types/Enums.sol";

/// One immutable model version.
struct ModelVersion {
    string name; // e.g. "credit-score"; a publisher's versions of one name are one series
    string version; // e.g. "1.0.0"
    bytes32 programHash; // keccak256(kind, graph, weights, pre- and post-processing)
    ProgramKind kind;
    bytes32 blobId; // Walrus blob of the package
    bytes32 contentHash; // keccak256 of the blob
    bytes32 manifestHash; // keccak256 of the manifest: hashes of weights, circuit and verifying key
    uint8 methods; // bit v: verification method v (enum Verification) is offered
    bytes32 vkHash; // verifying key, registered in Groth16Keys before; 0 without zero-knowledge methods
    bytes32 circuitHash; // universal circuit (Groth16Fold) out of which the key was folded; 0 for a key of its own circuit
    bytes32 weightsHash; // weights that were folded into it; 0 without circuitHash
    address royaltyTo;
    uint16 royaltyBps; // of the gross charge, <= 3,000
    string licence; // SPDX expression, or a URL
}

/// @title Models
/// @notice `modelId` is the hash of everything that a version is, its publisher, chain and registry: a version cannot
/// change, and one id is one content (R8). A new version is a new id; `deprecate` marks an old one for people, and
/// changes nothing for receipts that name it.
interface IModelRegistry {
    event ModelPublished(bytes32 indexed modelId, bytes32 indexed seriesId, address indexed publisher, ModelVersion model);
    event ModelDeprecated(bytes32 indexed modelId, bytes32 indexed successor);

    error ModelRegistryExists(bytes32 modelId);
    error ModelRegistryUnknown(bytes32 modelId);
    error ModelRegistryBadParams(string field);
    error ModelRegistryNotPublisher(bytes32 modelId, address caller);
    error ModelRegistryRoyalty(uint16 bps, uint16 maximum);
    /// No verifier was registered for this key in Groth16Keys.
    error ModelRegistryUnknownKey(bytes32 vkHash);
    /// Groth16Fold did not make this key out of this circuit and these weights. A folded point that somebody merely names lets him
    /// prove anything: fold on chain, or claim and let the window pass.
    error ModelRegistryNotFolded(bytes32 vkHash, bytes32 circuitHash, bytes32 weightsHash);
    /// The key belongs to an attested universal circuit, and the version names no circuit and weights: whoever proves would choose them.
    error ModelRegistryUnfolded(bytes32 vkHash);
    error ModelRegistryLimit(uint256 limit, uint256 maximum);

    function publishModel(ModelVersion calldata model) external returns (bytes32 modelId);

    /// @param successor The version to use instead; 0 for none.
    function deprecate(bytes32 modelId, bytes32 successor) external;

    function model(bytes32 modelId) external view returns (ModelVersion memory);
    /// @return Who published the version; 0 for an unknown one.
    function publisher(bytes32 modelId) external view returns (address);
    /// @return Seconds; 0 for an unknown version.
    function publishedAt(bytes32 modelId) external view returns (uint64);
    function isDeprecated(bytes32 modelId) external view returns (bool);
    /// @return Version that a deprecated one names in its place; 0 for none.
    function successor(bytes32 modelId) external view returns (bytes32);

    /// @notice What settlement needs, without strings. Zero values for an unknown id.
    /// @return verifier IGroth16Verifier of the version's key, fixed at publication; 0 without one. Its set-up level is
    /// asked of the verifier: it can only rise.
    function verifierOf(bytes32 modelId) external view returns (address verifier, ProgramKind kind, uint8 methods);
    /// @notice What a proof needs, from one slot. Zero values for an unknown id.
    /// @return verifier As verifierOf says.
    /// @return development Whether the verifier's key, or one that it stands on, has the published trapdoor (level 0). A key never
    /// leaves level 0, so this was found out once, at publication.
    function proofRoute(bytes32 modelId) external view returns (address verifier, bool development);
    /// @return to Beneficiary, 0 for none.
    /// @return bps Of the gross charge, in hundredths of a percent.
    function royaltyOf(bytes32 modelId) external view returns (address to, uint16 bps);

    function modelIdOf(address publisher_, ModelVersion calldata model_) external view returns (bytes32);
    function seriesIdOf(address publisher_, string calldata name) external pure returns (bytes32);

    /// @return ids Versions of a series, oldest first.
    function versions(bytes32 seriesId, uint256 cursor, uint256 limit) external view returns (bytes32[] memory ids, uint256 next);

    /// @return ids All versions, oldest first. @param limit At most 100.
    function models(uint256 cursor, uint256 limit) external view returns (bytes32[] memory ids, uint256 next);
    function modelCount() external view returns (uint256);
}
