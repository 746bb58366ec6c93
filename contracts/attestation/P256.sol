// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {P256 as OpenZeppelinP256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

/// @title ECDSA over P-256 as the standard has it
/// @notice Asks the precompile at 0x100 (EIP-7951) where the chain has one, and computes in Solidity where it has none. Both accept
/// high s: half of the field's signatures have it. Both refuse r or s outside [1, n-1], coordinates not below p and keys off the curve.
/// @dev Where 0x100 is empty a call to it succeeds and returns nothing, which is also what the precompile returns for a bad signature.
/// So a contract asks `isNative` when it is constructed and keeps the answer; a chain that gains the precompile later is served as before.
library P256 {
    address private constant PRECOMPILE = address(0x100);
    uint256 private constant N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;
    uint256 private constant HALF_N = N >> 1;

    /// @dev Whether this chain has the precompile, and one that is strict: a valid signature with high s passes, a zero one does not.
    function isNative() internal view returns (bool) {
        // Own vector: key = the generator (secret 1), nonce 1, so r = x(G) mod n and s = e + r; e is chosen to make s = n - 1.
        uint256 x = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296;
        uint256 y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5;
        return _callPrecompile(bytes32(N - 1 - x), x, N - 1, x, y) && !_callPrecompile(bytes32(N - 1 - x), x, 0, x, y);
    }

    /// @param hash The message's SHA-256.
    /// @param native What `isNative` answered when the calling contract was constructed.
    function verify(bytes32 hash, uint256 r, uint256 s, uint256 x, uint256 y, bool native) internal view returns (bool) {
        return native ? _callPrecompile(hash, r, s, x, y) : verifySolidity(hash, r, s, x, y);
    }

    /// @dev OpenZeppelin's implementation takes only the lower of the two s that are valid together; (r, s) and (r, n - s) are
    /// equivalent for ECDSA. An s of n or more is passed on as it is, to be refused.
    function verifySolidity(bytes32 hash, uint256 r, uint256 s, uint256 x, uint256 y) internal view returns (bool) {
        if (s > HALF_N && s < N) s = N - s;
        return OpenZeppelinP256.verifySolidity(hash, bytes32(r), bytes32(s), bytes32(x), bytes32(y));
    }

    /// @dev Exactly 160 bytes in; success is exactly 32 bytes that say 1. Anything else, nothing included, is a refusal.
    function _callPrecompile(bytes32 hash, uint256 r, uint256 s, uint256 x, uint256 y) private view returns (bool valid) {
        address precompile = PRECOMPILE;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, hash)
            mstore(add(input, 0x20), r)
            mstore(add(input, 0x40), s)
            mstore(add(input, 0x60), x)
            mstore(add(input, 0x80), y)
            valid := staticcall(gas(), precompile, input, 0xa0, 0x00, 0x20)
            valid := and(valid, and(eq(returndatasize(), 0x20), eq(mload(0x00), 1)))
        }
    }
}
