// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// All that a key epoch's validity asks of its image, in one word, from the low end: second from which the image is approved
/// (40 bits), second of its revocation (40), second since which it is compromised (40), first 16 bytes of its policy's id (128).
type Standing is uint256;

using StandingLib for Standing global;

library StandingLib {
    uint256 private constant REVOKED = 40;
    uint256 private constant COMPROMISED = 80;
    uint256 private constant POLICY = 120;

    /// @return Seconds; 0 never approved.
    function approvedFrom(Standing standing) internal pure returns (uint64) {
        return uint40(Standing.unwrap(standing));
    }

    /// @return Seconds; 0 not revoked.
    function revokedAt(Standing standing) internal pure returns (uint64) {
        return uint40(Standing.unwrap(standing) >> REVOKED);
    }

    /// @return Seconds; 0 no compromise.
    function compromisedSince(Standing standing) internal pure returns (uint64) {
        return uint40(Standing.unwrap(standing) >> COMPROMISED);
    }

    function policyPrefix(Standing standing) internal pure returns (bytes16) {
        return bytes16(uint128(Standing.unwrap(standing) >> POLICY));
    }

    function approved(uint256 from, bytes32 policyId) internal pure returns (Standing) {
        return Standing.wrap(uint40(from) | (uint256(uint128(bytes16(policyId))) << POLICY));
    }

    /// The image must not be revoked yet.
    function revoked(Standing standing, uint256 at) internal pure returns (Standing) {
        return Standing.wrap(Standing.unwrap(standing) | (uint256(uint40(at)) << REVOKED));
    }

    function compromised(Standing standing, uint256 since) internal pure returns (Standing) {
        uint256 kept = Standing.unwrap(standing) & ~(uint256(type(uint40).max) << COMPROMISED);
        return Standing.wrap(kept | (uint256(uint40(since)) << COMPROMISED));
    }
}
