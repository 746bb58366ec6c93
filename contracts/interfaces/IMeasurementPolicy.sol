// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation} from "./IAttestationVerifier.sol";
import {Standing} from "../types/Standing.sol";
import {IKeyLedger} from "./IKeyLedger.sol";

struct Policy {
    address owner; // of policy 0: the AccessManager's holders of the admin role
    uint64 delay; // seconds between approval and effect
    uint16 teeTypes; // bit t: TEE type t is accepted
    uint32 tcbStatuses; // bit s: TCB status s is accepted; Nitro's is 0
}

/// What a policy says of one image for one workload.
struct ImageApproval {
    uint64 approvedFrom; // seconds; 0 never approved
    uint64 revokedAt; // seconds; 0 not revoked. Sticky: a revoked image never comes back under this policy and workload
    uint64 compromisedSince; // seconds; 0 revoked without a compromise
}

/// @title Image policies
/// @notice "Runs in a TEE" means nothing without a list of images that somebody vouches for. Anyone may keep such a
/// list (`policyId = keccak256(abi.encode(owner, name))`), consumers choose whose list they trust (in terms, feeds,
/// requests). Policy 0 is the network's default, kept by the admin. Approvals take effect after the policy's delay,
/// revocations at once and in O(1): nobody loops over nodes, a key's validity reads its image's approval.
interface IMeasurementPolicy is IKeyLedger {
    event PolicyCreated(bytes32 indexed policyId, address indexed owner, string name, uint64 delay, uint16 teeTypes, uint32 tcbStatuses);
    event PolicyOwnerTransferStarted(bytes32 indexed policyId, address indexed from, address indexed to);
    event PolicyOwnerTransferred(bytes32 indexed policyId, address indexed from, address indexed to);
    /// @param image The approval's number: what `revokeImage` takes.
    event ImageApproved(bytes32 indexed policyId, bytes32 indexed workload, bytes32 indexed imageId, uint48 image, uint64 approvedFrom);
    event ImageRevoked(bytes32 indexed policyId, uint48 indexed image, uint64 compromisedSince);

    error MeasurementPolicyExists(bytes32 policyId);
    error MeasurementPolicyUnknown(bytes32 policyId);
    error MeasurementPolicyNotOwner(bytes32 policyId, address caller);
    error MeasurementPolicyBadParams(string field);
    error MeasurementPolicyImageRevoked(bytes32 policyId, uint48 image);
    error MeasurementPolicyUnknownImage(bytes32 policyId, uint48 image);
    error MeasurementPolicyImageNotApproved(bytes32 policyId, bytes32 workload, bytes32 imageId, uint64 approvedFrom);
    error MeasurementPolicyAlreadyApproved(bytes32 policyId, bytes32 workload, bytes32 imageId);
    error MeasurementPolicyDebug(bytes32 imageId);
    error MeasurementPolicyTeeType(bytes32 policyId, uint8 teeType);
    error MeasurementPolicyTcbStatus(bytes32 policyId, uint8 tcbStatus);
    error MeasurementPolicyFutureCompromise(uint64 compromisedSince, uint256 now_);

    /// @param delay Seconds, at most 30 days.
    function createPolicy(string calldata name, uint64 delay, uint16 teeTypes, uint32 tcbStatuses) external returns (bytes32 policyId);

    /// @notice Approves an image; effective after the policy's delay.
    function approveImage(bytes32 policyId, bytes32 workload, bytes32 imageId) external;

    /// @notice Withdraws an approval, at once and for good. One write, however many nodes run the image.
    /// @param image The approval's number in the policy: of `ImageApproved`, or `indexOf(policyId, workload, imageId)`.
    /// @param compromisedSince 0: no compromise, keys retire (older receipts may still be posted in the grace). Else
    /// seconds: what was posted under such keys since then is void.
    function revokeImage(bytes32 policyId, uint48 image, uint64 compromisedSince) external;

    /// @notice Owner: names who may take the policy over. Not for policy 0, which is the AccessManager's.
    function transferPolicy(bytes32 policyId, address to) external;
    /// @notice Who was named takes the policy over.
    function acceptPolicy(bytes32 policyId) external;

    /// @notice Reverts unless the attestation's image is approved now, is no debug build, and TEE type and TCB status are accepted.
    function check(bytes32 policyId, bytes32 workload, Attestation calldata attestation) external view;

    function policy(bytes32 policyId) external view returns (Policy memory);
    function image(bytes32 policyId, bytes32 workload, bytes32 imageId) external view returns (ImageApproval memory);

    /// @notice What the validity of a key epoch rests on, by the image's number, which is short enough to stand beside other
    /// things. One slot. Its policyPrefix, the first 16 bytes of the policy that approved the image, is enough to tell policies apart:
    /// a second policy with the prefix of somebody else's costs 2^128 hashes, and two with one prefix have one maker.
    function standing(uint48 index) external view returns (Standing);

    /// @return Number of an image that was approved before, revoked or not, from 1; else 0.
    function indexOf(bytes32 policyId, bytes32 workload, bytes32 imageId) external view returns (uint48);

    /// @return Approved, effective and not revoked at this moment.
    function isApproved(bytes32 policyId, bytes32 workload, bytes32 imageId) external view returns (bool);

    /// @return keccak256(abi.encode(owner, name)): the first owner stays in the id.
    function policyIdOf(address owner, string calldata name) external pure returns (bytes32);
}
