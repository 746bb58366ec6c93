// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {Attestation} from "../interfaces/IAttestationVerifier.sol";
import {IMeasurementPolicy, ImageApproval, Policy} from "../interfaces/IMeasurementPolicy.sol";
import {Standing, StandingLib} from "../types/Standing.sol";
import {KeyLedger} from "./KeyLedger.sol";

/// @title Image policies
contract MeasurementPolicy is IMeasurementPolicy, KeyLedger, AccessManaged {
    uint64 private constant MAX_DELAY = 30 days;

    mapping(bytes32 policyId => Policy) private _policies;
    mapping(bytes32 policyId => address) private _pendingOwners;
    mapping(bytes32 key => uint48 index) private _indices;
    /// Entry 0 stays empty: an unknown image is not approved.
    mapping(uint48 index => Standing) private _entries;
    uint48 private _count;

    /// @param delay Of policy 0, as the other two.
    constructor(address authority, uint64 delay, uint16 teeTypes, uint32 tcbStatuses) AccessManaged(authority) {
        _create(0, authority, "", delay, teeTypes, tcbStatuses);
    }

    /// Policy 0 is the admin's, through the AccessManager and its delays; every other one its owner's.
    modifier onlyOwner(bytes32 policyId) {
        if (policyId == 0) {
            _checkCanCall(msg.sender, msg.data);
        } else {
            address owner = _policies[policyId].owner;
            require(owner != address(0), MeasurementPolicyUnknown(policyId));
            require(owner == msg.sender, MeasurementPolicyNotOwner(policyId, msg.sender));
        }
        _;
    }

    /// @inheritdoc IMeasurementPolicy
    function createPolicy(string calldata name, uint64 delay, uint16 teeTypes, uint32 tcbStatuses)
        external
        override
        returns (bytes32 policyId)
    {
        policyId = policyIdOf(msg.sender, name);
        require(_policies[policyId].owner == address(0), MeasurementPolicyExists(policyId));
        _create(policyId, msg.sender, name, delay, teeTypes, tcbStatuses);
    }

    /// @inheritdoc IMeasurementPolicy
    function approveImage(bytes32 policyId, bytes32 workload, bytes32 imageId) external override onlyOwner(policyId) {
        require(workload != 0, MeasurementPolicyBadParams("workload"));
        require(imageId != 0, MeasurementPolicyBadParams("imageId"));
        bytes32 key = keccak256(abi.encode(policyId, workload, imageId));
        uint48 index = _indices[key];
        require(_entries[index].revokedAt() == 0, MeasurementPolicyImageRevoked(policyId, index));
        require(index == 0, MeasurementPolicyAlreadyApproved(policyId, workload, imageId));

        uint64 from = uint64(block.timestamp) + _policies[policyId].delay;
        _indices[key] = index = ++_count;
        _entries[index] = StandingLib.approved(from, policyId);
        emit ImageApproved(policyId, workload, imageId, index, from);
    }

    /// @inheritdoc IMeasurementPolicy
    function revokeImage(bytes32 policyId, uint48 image_, uint64 compromisedSince) external override onlyOwner(policyId) {
        require(compromisedSince <= block.timestamp, MeasurementPolicyFutureCompromise(compromisedSince, block.timestamp));
        Standing entry = _entries[image_];
        bool known = entry.approvedFrom() != 0 && entry.policyPrefix() == bytes16(policyId);
        require(known, MeasurementPolicyUnknownImage(policyId, image_));
        // A compromise may become known after the revocation, and turn out older than thought; it never gets younger.
        bool adds = compromisedSince != 0 && (entry.compromisedSince() == 0 || compromisedSince < entry.compromisedSince());
        require(entry.revokedAt() == 0 || adds, MeasurementPolicyImageRevoked(policyId, image_));

        if (entry.revokedAt() == 0) entry = entry.revoked(block.timestamp);
        if (adds) entry = entry.compromised(compromisedSince);
        _entries[image_] = entry;
        emit ImageRevoked(policyId, image_, compromisedSince);
    }

    /// @inheritdoc IMeasurementPolicy
    function transferPolicy(bytes32 policyId, address to) external override onlyOwner(policyId) {
        require(policyId != 0, MeasurementPolicyBadParams("policyId"));
        _pendingOwners[policyId] = to;
        emit PolicyOwnerTransferStarted(policyId, msg.sender, to);
    }

    /// @inheritdoc IMeasurementPolicy
    function acceptPolicy(bytes32 policyId) external override {
        require(_pendingOwners[policyId] == msg.sender, MeasurementPolicyNotOwner(policyId, msg.sender));
        delete _pendingOwners[policyId];
        emit PolicyOwnerTransferred(policyId, _policies[policyId].owner, msg.sender);
        _policies[policyId].owner = msg.sender;
    }

    /// @inheritdoc IMeasurementPolicy
    function check(bytes32 policyId, bytes32 workload, Attestation calldata attestation) external view override {
        Policy storage rules = _policies[policyId];
        require(rules.owner != address(0), MeasurementPolicyUnknown(policyId));
        require(!attestation.debug, MeasurementPolicyDebug(attestation.imageId));
        require(_hasBit(rules.teeTypes, attestation.teeType), MeasurementPolicyTeeType(policyId, attestation.teeType));
        require(_hasBit(rules.tcbStatuses, attestation.tcbStatus), MeasurementPolicyTcbStatus(policyId, attestation.tcbStatus));

        uint48 index = indexOf(policyId, workload, attestation.imageId);
        Standing entry = _entries[index];
        require(entry.revokedAt() == 0, MeasurementPolicyImageRevoked(policyId, index));
        require(
            entry.approvedFrom() != 0 && entry.approvedFrom() <= block.timestamp,
            MeasurementPolicyImageNotApproved(policyId, workload, attestation.imageId, entry.approvedFrom())
        );
    }

    /// @inheritdoc IMeasurementPolicy
    function policy(bytes32 policyId) external view override returns (Policy memory) {
        return _policies[policyId];
    }

    /// @inheritdoc IMeasurementPolicy
    function image(bytes32 policyId, bytes32 workload, bytes32 imageId) external view override returns (ImageApproval memory) {
        Standing entry = _entries[indexOf(policyId, workload, imageId)];
        return ImageApproval(entry.approvedFrom(), entry.revokedAt(), entry.compromisedSince());
    }

    /// @inheritdoc IMeasurementPolicy
    function standing(uint48 index) external view override returns (Standing) {
        return _entries[index];
    }

    /// @inheritdoc IMeasurementPolicy
    function isApproved(bytes32 policyId, bytes32 workload, bytes32 imageId) external view override returns (bool) {
        Standing entry = _entries[indexOf(policyId, workload, imageId)];
        return entry.revokedAt() == 0 && entry.approvedFrom() != 0 && entry.approvedFrom() <= block.timestamp;
    }

    /// @inheritdoc IMeasurementPolicy
    function policyIdOf(address owner, string calldata name) public pure override returns (bytes32) {
        return keccak256(abi.encode(owner, name));
    }

    /// @inheritdoc IMeasurementPolicy
    function indexOf(bytes32 policyId, bytes32 workload, bytes32 imageId) public view override returns (uint48) {
        return _indices[keccak256(abi.encode(policyId, workload, imageId))];
    }

    function _standingOf(uint48 index) internal view override returns (Standing) {
        return _entries[index];
    }

    function _create(bytes32 policyId, address owner, string memory name, uint64 delay, uint16 teeTypes, uint32 tcbStatuses) private {
        require(delay <= MAX_DELAY, MeasurementPolicyBadParams("delay"));
        require(teeTypes > 1, MeasurementPolicyBadParams("teeTypes")); // bit 0 is no type
        require(tcbStatuses != 0, MeasurementPolicyBadParams("tcbStatuses"));
        _policies[policyId] = Policy(owner, delay, teeTypes, tcbStatuses);
        emit PolicyCreated(policyId, owner, name, delay, teeTypes, tcbStatuses);
    }

    function _hasBit(uint256 mask, uint8 bit) private pure returns (bool) {
        return bit < 32 && (mask >> bit) & 1 == 1;
    }
}
