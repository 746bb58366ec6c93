// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// The rule does not see uses in assembly.
// solhint-disable no-unused-import

import {IP384} from "../../interfaces/IP384.sol";
import {P384Field} from "./P384Field.sol";
import {TABLE, WEIGHTS} from "./P384Layout.sol";

/// @title Weights of a batch
/// @dev The weight of equation j is c = a v - b v', with a, b 64 bits each from the hash and (v, v') short numbers that the prover
/// committed to *inside* the hash. A honest prover takes them from a reduced basis of the lattice {(c, c r/s mod n)}: then c and
/// c r/s both have about 256 bits, and the ladder 257 doublings where a plain 128-bit weight needs 385.
///
/// All that soundness asks is that (a, b) -> c mod n is injective. v w' + v' w = n, n prime, makes v and v' coprime; one of them is at
/// least 2^64, so a v - b v' = a* v - b* v' forces (a, b) = (a*, b*); and |c| < 2^319 leaves no room for a multiple of n between two.
library P384Weights {
    uint256 private constant SIGNATURE_SIZE = 240;
    uint256 private constant COMMITMENT = 177;

    /// @dev Hashes every public input and every commitment, in full: nothing that the equations depend on is left to choose after.
    function draw(uint256 sigs, uint256 commitments, uint256 count) internal pure {
        unchecked {
            bytes32 seed;
            assembly {
                calldatacopy(TABLE, sigs, mul(count, SIGNATURE_SIZE)) // check: transcript-signatures
                calldatacopy(add(TABLE, mul(count, SIGNATURE_SIZE)), commitments, mul(count, COMMITMENT)) // check: transcript-commitments
                seed := keccak256(TABLE, mul(count, add(SIGNATURE_SIZE, COMMITMENT)))
            }
            for (uint256 j; j < count; ++j) {
                uint256 lattice = commitments + j * COMMITMENT + 49;
                require(_spans(lattice), IP384.P384LatticeDegenerate(j)); // check: lattice
                assembly {
                    mstore(0x00, seed)
                    mstore(0x20, j) // check: independent
                    let h := keccak256(0x00, 0x40)
                    let M := not(0)
                    // a v, then b v', exact in two words; each high word from the residues modulo 2^256 and 2^256 - 1
                    let x := shr(192, h)
                    let y := calldataload(lattice)
                    let c0 := mul(x, y)
                    let c1 := addmod(mulmod(x, y, M), not(c0), M)
                    x := and(shr(128, h), 0xffffffffffffffff)
                    y := calldataload(add(lattice, 32))
                    let d0 := mul(x, y)
                    let d1 := addmod(mulmod(x, y, M), not(d0), M)
                    let at := add(WEIGHTS, shl(6, j))
                    mstore(at, sub(c0, d0))
                    mstore(add(at, 0x20), sub(sub(c1, d1), lt(c0, d0)))
                }
            }
        }
    }

    /// @dev c_j, two words in two's complement.
    function weight(uint256 j) internal pure returns (uint256 c0, uint256 c1) {
        assembly {
            let at := add(WEIGHTS, shl(6, j))
            c0 := mload(at)
            c1 := mload(add(at, 0x20))
        }
    }

    /// @dev v, v', w, w' < 2^255, max(v, v') >= 2^64 and v w' + v' w = n over the integers.
    function _spans(uint256 at) private pure returns (bool yes) {
        uint256 n0 = P384Field.N0;
        uint256 n1 = P384Field.TOP;
        assembly {
            let M := not(0)
            let v := calldataload(at)
            let v_ := calldataload(add(at, 32))
            let w := calldataload(add(at, 64))
            let w_ := calldataload(add(at, 96))
            let a0 := mul(v, w_)
            let b0 := mul(v_, w)
            let sum := add(a0, b0)
            let high := add(addmod(mulmod(v, w_, M), not(a0), M), addmod(mulmod(v_, w, M), not(b0), M))
            yes := and(eq(sum, n0), eq(add(high, lt(sum, a0)), n1))
            yes := and(yes, iszero(shr(255, or(or(v, v_), or(w, w_)))))
            yes := and(yes, iszero(iszero(shr(64, or(v, v_)))))
        }
    }
}
