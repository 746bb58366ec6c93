// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {KeyType} from "../types/Enums.sol";
import {Attestation} from "./IAttestationVerifier.sol";

/// What an attestation must speak of. Chain and registry (the caller) are added by the gate.
struct Binding {
    address operator;
    bytes32 nodeId;
    address payout;
    address paymentAuthorizer;
    bytes32 policyId;
    bytes32 workload;
    KeyType keyType;
    bytes32 publicKeyHash;
    bytes32 endpointHash;
    bytes32 tlsSpkiHash;
    bytes32 hpkeKeyHash;
}

/// @title Admission by attestation
/// @notice From a verifier's facts to "this evidence is about this registration, now, under this policy". A registry calls
/// `admit` for itself: evidence is bound to its caller, and used once per caller.
///
/// BINDING. publicKeyHash is the key's; userDataHash = keccak256 of the 32 bytes of `bindingHash`; nonceHash = keccak256 of the
/// 32 bytes of `attestationNonce`, which comes from a recent block hash (EIP-2935 beyond 256 blocks).
interface IAttestationGate {
    event AttestationVerifierSet(uint8 indexed teeType, address verifier);

    error AttestationGateBadParams(string field);
    error AttestationGateNoVerifier(uint8 teeType);
    error AttestationGateNonceBlock(uint64 nonceBlock, uint256 currentBlock);
    /// A field of the attestation is not what this registration needs: "teeType", "publicKey", "userData" or "nonce".
    error AttestationGateBinding(string field, bytes32 attested, bytes32 expected);
    error AttestationGateStale(uint64 attestedAt, uint256 now_, uint64 maxAge);
    error AttestationGateExpired(uint64 validUntil, uint256 now_);
    error AttestationGateUsed(bytes32 attestation);

    /// @notice Verifies evidence for the caller's registration; reverts by name, and remembers the evidence.
    function admit(Binding calldata binding, uint8 teeType, uint64 nonceBlock, bytes calldata evidence, bytes calldata hints)
        external
        returns (Attestation memory);

    /// @notice Admin: which contract verifies evidence of this TEE type (1 Nitro, 2 TDX, 3 SGX); 0 for none.
    function setAttestationVerifier(uint8 teeType, address verifier) external;

    /// @return Contract that reads evidence of this TEE type; 0 for none.
    function attestationVerifier(uint8 teeType) external view returns (address);

    function bindingHash(address registry, Binding calldata binding) external view returns (bytes32);
    function attestationNonce(address registry, address operator, uint64 nonceBlock) external view returns (bytes32);
}
