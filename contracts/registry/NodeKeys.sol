// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Binding, IAttestationGate} from "../interfaces/IAttestationGate.sol";
import {Attestation} from "../interfaces/IAttestationVerifier.sol";
import {IMeasurementPolicy} from "../interfaces/IMeasurementPolicy.sol";
import {INodeRegistry, KeyEpoch, KeyParams, KeyStatus} from "../interfaces/INodeRegistry.sol";
import {ISignatureChecker} from "../interfaces/ISignatureChecker.sol";
import {NodeSignatures} from "../libraries/NodeSignatures.sol";
import {KeyType, Role} from "../types/Enums.sol";
import {SigningKey, SigningKeyLib} from "../types/SigningKey.sol";
import {Standing} from "../types/Standing.sol";
import {Live} from "./Live.sol";
import {NodeBonds} from "./NodeBonds.sol";

/// @title Key epochs: who may sign for a node, from when to when
abstract contract NodeKeys is NodeBonds {
    struct Record {
        address operator;
        uint32 epoch;
        uint64 listIndex; // place in the list of active nodes, from 1
        address pendingOperator;
        address payout;
        address paymentAuthorizer;
        bytes32 keyId;
        bytes32 tlsSpkiHash;
        bytes32 hpkeKeyHash;
        bytes32 policyId;
        bytes32 workload;
        string endpoint;
    }

    /// The whole story of a key; what verifiers read of it stands in the KeyLedger, see `_publish`.
    struct KeyRecord {
        address signer;
        KeyType keyType;
        uint40 validFrom;
        uint40 validUntil;
        Role role;
        uint40 endedAt;
        uint40 compromisedSince;
        uint48 image; // its number in the policy
        uint32 epoch;
        uint8 teeType;
        bytes32 nodeId;
        bytes32 imageId;
        bytes32 publicKeyHash;
    }

    /// Clocks of enclaves and chains differ by that much.
    uint64 internal constant CLOCK_SKEW = 30;
    IMeasurementPolicy public immutable override POLICY;
    IAttestationGate public immutable GATE;
    ISignatureChecker public immutable SIGNATURES;

    mapping(bytes32 nodeId => Live) internal _live;
    mapping(bytes32 nodeId => Record) internal _records;
    mapping(bytes32 keyId => KeyRecord) internal _keys;
    mapping(bytes32 publicKeyHash => bytes32 nodeId) private _keyOwners;

    constructor(IMeasurementPolicy policy, IAttestationGate gate, ISignatureChecker signatures) {
        require(address(policy) != address(0), NodeRegistryBadParams("policy"));
        require(address(gate) != address(0), NodeRegistryBadParams("gate"));
        require(address(signatures) != address(0), NodeRegistryBadParams("signatures"));
        (POLICY, GATE, SIGNATURES) = (policy, gate, signatures);
    }

    /// @inheritdoc INodeRegistry
    function key(bytes32 keyId) external view override returns (KeyEpoch memory) {
        return _keyEpoch(keyId);
    }

    /// @inheritdoc INodeRegistry
    function publicKey(bytes32 keyId) external view override returns (bytes memory) {
        return SIGNATURES.load(_knownKey(keyId).signer);
    }

    /// @inheritdoc INodeRegistry
    function keyValidAt(bytes32 keyId, uint64 issuedAt, uint64 postedAt) external view override returns (bool) {
        KeyRecord storage record = _keys[keyId];
        if (record.keyType == KeyType.None) return false;
        (uint256 end, uint256 compromised,) = _endOf(record);
        return compromised == 0 && issuedAt + CLOCK_SKEW >= record.validFrom && issuedAt < end && postedAt <= end + POST_GRACE;
    }

    /// @inheritdoc INodeRegistry
    function policyOf(bytes32 nodeId) external view override returns (bytes32) {
        return _records[nodeId].policyId;
    }

    /// @inheritdoc INodeRegistry
    function compromisedSince(bytes32 keyId) external view override returns (uint64) {
        (, uint256 compromised,) = _endOf(_knownKey(keyId));
        return uint64(compromised);
    }

    /// @inheritdoc INodeRegistry
    function verifySignature(bytes32 keyId, bytes32 digest, bytes calldata signature) external view override returns (bool) {
        return _verify(_knownKey(keyId), digest, signature);
    }

    /// @inheritdoc INodeRegistry
    function bindingHash(bytes32 nodeId, KeyType keyType, bytes calldata publicKey_) external view override returns (bytes32) {
        return GATE.bindingHash(address(this), _bindingOf(nodeId, keyType, keccak256(publicKey_)));
    }

    /// @inheritdoc INodeRegistry
    function attestationNonce(address operator, uint64 nonceBlock) external view override returns (bytes32) {
        return GATE.attestationNonce(address(this), operator, nonceBlock);
    }

    /// Verifies evidence for a node's next key epoch and opens it.
    function _openEpoch(bytes32 nodeId, KeyParams calldata params_, bytes calldata evidence, bytes calldata hints)
        internal
        returns (bytes32 keyId)
    {
        require(SIGNATURES.isKey(params_.keyType, params_.publicKey), NodeRegistryBadPublicKey(params_.keyType, params_.publicKey.length));
        KeyRecord memory opened;
        opened.publicKeyHash = keccak256(params_.publicKey);
        bytes32 owner = _keyOwners[opened.publicKeyHash];
        require(owner == 0 || owner == nodeId, NodeRegistryPublicKeyTaken(opened.publicKeyHash, owner));
        _keyOwners[opened.publicKeyHash] = nodeId;

        Attestation memory attestation = GATE.admit(
            _bindingOf(nodeId, params_.keyType, opened.publicKeyHash), params_.teeType, params_.nonceBlock, evidence, hints
        );
        _retire(nodeId);
        opened.epoch = ++_records[nodeId].epoch;
        opened.signer = SIGNATURES.store(params_.keyType, params_.publicKey);
        opened.keyType = params_.keyType;
        opened.validFrom = uint40(block.timestamp);
        uint256 longest = block.timestamp + SigningKeyLib.MAX_LIFETIME;
        opened.validUntil = uint40(attestation.validUntil < longest ? attestation.validUntil : longest);
        opened.teeType = params_.teeType;
        opened.role = _live[nodeId].role();
        opened.nodeId = nodeId;
        opened.imageId = attestation.imageId;
        opened.image = POLICY.indexOf(_records[nodeId].policyId, _records[nodeId].workload, attestation.imageId);
        keyId = keccak256(abi.encode(nodeId, opened.epoch, params_.publicKey));
        _keys[keyId] = opened;
        _publish(keyId);

        _records[nodeId].keyId = keyId;
        address signer = opened.keyType == KeyType.Secp256k1 ? opened.signer : address(0);
        _live[nodeId] = _live[nodeId].withKey(signer, opened.validUntil);
        emit KeyEpochOpened(nodeId, keyId, _keyEpoch(keyId), params_.publicKey);
    }

    /// Ends the current key epoch, if there is one.
    function _retire(bytes32 nodeId) internal {
        bytes32 keyId = _records[nodeId].keyId;
        if (keyId == 0) return;
        _records[nodeId].keyId = 0;
        _live[nodeId] = _live[nodeId].withKey(address(0), 0);
        _keys[keyId].endedAt = uint40(block.timestamp);
        _publish(keyId);
        emit KeyEpochRetired(nodeId, keyId, uint64(block.timestamp));
    }

    /// Brings what verifiers read of a key up to what its record says. After every change of a record.
    function _publish(bytes32 keyId) internal {
        KeyRecord storage record = _keys[keyId];
        require(record.image <= SigningKeyLib.MAX_IMAGE, NodeRegistryBadParams("image"));
        bool ended = record.endedAt != 0 && record.endedAt < record.validUntil;
        SigningKey word = SigningKeyLib.pack({
            signer_: record.signer,
            keyType_: record.compromisedSince == 0 ? record.keyType : KeyType.None,
            role_: record.role,
            ended_: ended,
            image_: record.image,
            from_: record.validFrom,
            until_: ended ? record.endedAt : record.validUntil
        });
        POLICY.setSigningKey(record.nodeId, keyId, word);
    }

    function _keyValidNow(bytes32 keyId) internal view returns (bool) {
        if (keyId == 0) return false;
        (uint256 end, uint256 compromised,) = _endOf(_keys[keyId]);
        return compromised == 0 && block.timestamp < end;
    }

    function _statusOf(bytes32 keyId) internal view returns (KeyStatus) {
        (uint256 end, uint256 compromised, bool expires) = _endOf(_keys[keyId]);
        if (compromised != 0) return KeyStatus.Compromised;
        if (block.timestamp < end) return KeyStatus.Valid;
        return expires ? KeyStatus.Expired : KeyStatus.Retired;
    }

    function _verify(KeyRecord storage record, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        return NodeSignatures.verify(SIGNATURES, record.keyType, record.signer, digest, signature);
    }

    function _knownKey(bytes32 keyId) internal view returns (KeyRecord storage record) {
        record = _keys[keyId];
        require(record.keyType != KeyType.None, NodeRegistryUnknownKey(keyId));
    }

    /// @return end When the key stopped, or will stop, signing valid receipts.
    /// @return compromised Since when; 0 if not.
    /// @return expires Whether `end` is the attestation's own.
    function _endOf(KeyRecord storage record)
        private
        view
        returns (uint256 end, uint256 compromised, bool expires)
    {
        Standing image = POLICY.standing(record.image);
        (uint256 revokedAt, uint256 imageCompromised) = (image.revokedAt(), image.compromisedSince());
        (end, expires) = (record.validUntil, true);
        if (record.endedAt != 0 && record.endedAt < end) (end, expires) = (record.endedAt, false);
        if (revokedAt != 0 && revokedAt < end) (end, expires) = (revokedAt, false);
        compromised = record.compromisedSince;
        if (imageCompromised != 0 && (compromised == 0 || imageCompromised < compromised)) compromised = imageCompromised;
    }

    function _keyEpoch(bytes32 keyId) private view returns (KeyEpoch memory) {
        KeyRecord storage record = _knownKey(keyId);
        Record storage owner = _records[record.nodeId];
        (, uint256 compromised,) = _endOf(record);
        return KeyEpoch({
            nodeId: record.nodeId,
            epoch: record.epoch,
            keyType: record.keyType,
            status: _statusOf(keyId),
            signer: record.signer,
            publicKeyHash: record.publicKeyHash,
            imageId: record.imageId,
            policyId: owner.policyId,
            workload: owner.workload,
            teeType: record.teeType,
            validFrom: record.validFrom,
            validUntil: record.validUntil,
            endedAt: record.endedAt,
            compromisedSince: uint64(compromised)
        });
    }

    function _bindingOf(bytes32 nodeId, KeyType keyType, bytes32 publicKeyHash) private view returns (Binding memory) {
        Record storage record = _records[nodeId];
        require(record.operator != address(0), NodeRegistryUnknownNode(nodeId));
        return Binding({
            operator: record.operator,
            nodeId: nodeId,
            payout: record.payout,
            paymentAuthorizer: record.paymentAuthorizer,
            policyId: record.policyId,
            workload: record.workload,
            keyType: keyType,
            publicKeyHash: publicKeyHash,
            endpointHash: keccak256(bytes(record.endpoint)),
            tlsSpkiHash: record.tlsSpkiHash,
            hpkeKeyHash: record.hpkeKeyHash
        });
    }
}
