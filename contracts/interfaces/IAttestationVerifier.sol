// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// What a verifier proves about a piece of evidence: facts, no opinion. Whether the facts are good enough
/// (image approved, fresh, bound to this registration, not debug) is the registry's policy.
struct Attestation {
    /// Measured image. Nitro: keccak256(PCR0 | PCR1 | PCR2 | PCR8), each 48 bytes, PCR8 zeros when absent.
    /// TDX: keccak256(MRTD | RTMR0..3 | TD attributes | XFAM | MRCONFIGID | MROWNER | MROWNERCONFIG).
    bytes32 imageId;
    /// The machine or enclave instance. Nitro: keccak256(module_id). TDX: keccak256(PCK serial | FMSPC).
    bytes32 deviceId;
    /// keccak256 of the field's bytes; 0 when the field is absent or null. An empty field hashes as empty bytes.
    bytes32 publicKeyHash;
    bytes32 userDataHash;
    bytes32 nonceHash;
    /// Seconds since 1970 (Nitro: the document's own milliseconds, divided). TDX quotes carry no time: 0.
    uint64 attestedAt;
    /// Seconds: the earliest notAfter of the whole chain and, for TDX, nextUpdate of the collateral.
    uint64 validUntil;
    /// 1 AWS Nitro, 2 Intel TDX, 3 Intel SGX.
    uint8 teeType;
    /// Nitro: 0. Intel: TcbStatus in IIntelCollateral; only `Revoked` makes `verify` revert.
    uint8 tcbStatus;
    /// Nitro: PCR0..2 are all zero. SGX: ATTRIBUTES.DEBUG. TDX: TD_ATTRIBUTES.TUD is not zero.
    bool debug;
}

/// @title Attestation verifier
/// @notice Verifies evidence made by a trusted execution environment, from the hardware vendor's root down.
/// It returns facts or reverts with a declared error; it never returns a verdict that a caller could forget to read.
interface IAttestationVerifier {
    /// @param evidence Nitro: the COSE_Sign1 document. Intel: the parts of a quote (see ITdxVerifier).
    /// @param hints Helps the verifier work cheaply (slopes of a curve ladder, positions); never trusted.
    /// @dev Not `view`: verified certificates are cached, for the next caller's gain.
    function verify(bytes calldata evidence, bytes calldata hints) external returns (Attestation memory);
}
