// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title ECDSA over NIST P-384 with hints from a prover
/// @notice Verifies one signature, or up to five at once, exactly and without inverting anything: the caller brings the slopes of a
/// ladder (`hints`, made by sdk/attestation/p384), the contract checks each of them. Hints are never trusted: for a signature that
/// is not valid, no hints pass (unconditionally for one, up to 2^-127 for each hash query for two to five).
/// The argument is in docs/attestation/soundness.md.
///
/// SIGNATURES. 240 bytes each, big-endian fields of 48 bytes, nothing between them: `Qx | Qy | e | r | s`.
///   Qx | Qy  the public key, 96 bytes as they stand after the 04 of an uncompressed point
///   e        the message's SHA-384
///   r, s     right-aligned in 48 bytes. High s is valid: P-384 signatures in the field have it as often as not.
/// The contract checks Qx, Qy < p, the curve equation, and r, s in [1, n-1]. It takes e as it is (ECDSA reduces it modulo n).
///
/// HINTS. Opaque. Made for exactly these signatures in exactly this order. They are malleable: never use them as an identifier.
interface IP384 {
    /// `signatures` is not one to five times 240 bytes.
    error P384SignatureLength(uint256 length);
    /// r or s of this signature is zero, or not below n.
    error P384ScalarOutOfRange(uint256 index);
    /// The key's coordinates are not below p or do not satisfy the curve's equation.
    error P384KeyNotOnCurve(uint256 index);
    /// The hinted nonce point is not on the curve, or claims x = r + n with r >= p - n.
    error P384NonceNotOnCurve(uint256 index);
    /// The two hinted lattice vectors do not span: weights drawn from them would repeat.
    error P384LatticeDegenerate(uint256 index);
    /// The slope that ends before this offset of calldata is not that of the line it stands for.
    error P384SlopeWrong(uint256 offset);
    /// A chord was asked for between two points with the same x; no slope is determined there.
    error P384SameX(uint256 offset);
    /// A step names a table entry that does not exist, or doubles below position 0, or the ladder starts too high.
    error P384StepMalformed(uint256 offset);
    /// The ladder's sum is not the point at infinity.
    error P384NotClosed();
    /// The ladder has not reached position 0.
    error P384PositionLeft(uint256 position);
    /// The multiples that the ladder summed are not those that this signature's equation asks for
    /// (index == number of signatures: the multiple of the generator).
    error P384ScalarMismatch(uint256 index);
    /// A point was counted 2^383 times or more: too often for the count to be read modulo n.
    error P384ScalarTooLong();
    /// The hints have another length than the ladder consumed.
    error P384HintsLength(uint256 consumed, uint256 given);
    /// Construction: these are not the multiples of the generator that the contract pins.
    error P384TableUnknown(bytes32 hash);

    /// @notice Reverts unless every signature is valid.
    /// @return magic This function's selector. A caller in assembly must check that 32 bytes came back and that they begin with it:
    /// a call to an address without code succeeds, too.
    function verify(bytes calldata signatures, bytes calldata hints) external view returns (bytes4 magic);
}
