// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// The rule does not see uses in assembly.
// solhint-disable no-unused-import

import {IP384} from "../interfaces/IP384.sol";
import {P384Field} from "./crypto/P384Field.sol";
import {P384Ladder} from "./crypto/P384Ladder.sol";
import {P384Weights} from "./crypto/P384Weights.sol";
import {SCALARS, SCALAR_SIZE, WEIGHTS} from "./crypto/P384Layout.sol";

/// @title ECDSA over P-384
/// @notice See IP384 for the interface and docs/attestation/soundness.md for the argument, which names every check below.
/// @dev HINTS of one signature: `R.y 48 | overflow 1 | position 2 | slopes of the tables of Q and R 16 x 48 | program`.
/// Of k signatures: `(R.y 48 | overflow 1 | v 32 | v' 32 | w 32 | w' 32) x k | inverse weight 48 x k | position 2 | slopes | program`.
/// R.x is r, or r + n when `overflow` is not zero.
contract P384 is IP384 {
    uint256 private constant SIGNATURE_SIZE = 240;
    uint256 private constant MAX_SIGNATURES = 5;
    /// R.y and its flag; a batch adds the four lattice numbers.
    uint256 private constant COMMITMENT_SINGLE = 49;
    uint256 private constant COMMITMENT_BATCH = 177;
    /// keccak256 of the 256 points -(2i+1) G and -(2i+1) 2^192 G with y positive, 96 bytes each; scripts/lib/p384Table.ts.
    bytes32 public constant TABLE_HASH = 0xd57724fd4e27ab86a0c5b30a033dddcbfc7c52b5acd9c03c16cd301c68948a21;

    /// Multiples of the generator, as code of an account that this constructor made: nobody can change it.
    address public immutable tableG;

    /// @param multiples `generatorTable()` of scripts/lib/p384Table.ts.
    constructor(bytes memory multiples) {
        require(keccak256(multiples) == TABLE_HASH, P384TableUnknown(keccak256(multiples))); // check: table
        tableG = P384Ladder.deployTable(multiples);
    }

    /// @inheritdoc IP384
    function verify(bytes calldata signatures, bytes calldata hints) external view returns (bytes4) {
        unchecked {
            uint256 count = signatures.length / SIGNATURE_SIZE;
            bool fits = count * SIGNATURE_SIZE == signatures.length && count - 1 < MAX_SIGNATURES;
            require(fits, P384SignatureLength(signatures.length)); // check: cap
            uint256 sigs;
            uint256 ptr;
            assembly {
                sigs := signatures.offset
                ptr := hints.offset
                calldatacopy(SCALARS, calldatasize(), sub(WEIGHTS, SCALARS)) // zeros
            }
            uint256 commitments = ptr;
            uint256 stride = count == 1 ? COMMITMENT_SINGLE : COMMITMENT_BATCH;
            ptr += count * stride;
            uint256 inverses = ptr;
            if (count != 1) {
                P384Weights.draw(sigs, commitments, count);
                ptr += count * 48;
            }
            uint256 position;
            assembly {
                position := shr(240, calldataload(ptr))
                ptr := add(ptr, 2)
            }
            for (uint256 j; j < count; ++j) {
                ptr = P384Ladder.tables(j, sigs + j * SIGNATURE_SIZE, commitments + j * stride, ptr);
            }
            ptr = P384Ladder.run(ptr, position, count, tableG);
            uint256 end;
            assembly {
                end := add(hints.offset, hints.length)
            }
            require(ptr == end, P384HintsLength(ptr + hints.length - end, hints.length)); // check: consumed
            if (count == 1) _checkSingle(sigs);
            else _checkBatch(sigs, inverses, count);
            return IP384.verify.selector;
        }
    }

    /// @dev sG G + sQ Q + sR R = O is shown. With sR a non-zero integer below n in magnitude, R = -(sG / sR) G - (sQ / sR) Q, so
    /// R = (e / s) G + (r / s) Q if and only if s sG + e sR = 0 and s sQ + r sR = 0 modulo n.
    function _checkSingle(uint256 sig) private pure {
        (uint256 z0, uint256 z1) = P384Ladder.multiple(3);
        require(z0 | z1 != 0, P384ScalarMismatch(0)); // check: nonzero
        (z0, z1) = P384Ladder.modN(z0, z1);
        (uint256 s0, uint256 s1) = _load(sig + 192);
        (uint256 a0, uint256 a1) = _generatorMultiple();
        require(_sumVanishes(s0, s1, a0, a1, sig + 96, z0, z1), P384ScalarMismatch(1)); // check: generator
        (a0, a1) = P384Ladder.multiple(2);
        (a0, a1) = P384Ladder.modN(a0, a1);
        require(_sumVanishes(s0, s1, a0, a1, sig + 144, z0, z1), P384ScalarMismatch(0)); // check: key
    }

    /// @dev Whether s a + load(at) z = 0 modulo n.
    function _sumVanishes(uint256 s0, uint256 s1, uint256 a0, uint256 a1, uint256 at, uint256 z0, uint256 z1)
        private
        pure
        returns (bool)
    {
        (a0, a1) = P384Field.mulModN(s0, s1, a0, a1);
        (s0, s1) = _load(at);
        (s0, s1) = P384Field.mulModN(s0, s1, z0, z1);
        (a0, a1) = P384Field.addModN(a0, a1, s0, s1);
        return a0 | a1 == 0;
    }

    /// @dev sG G + sum sQ_j Q_j + sum sR_j R_j = O is shown; here sR_j = -c_j, sQ_j = c_j r_j / s_j and sG = sum c_j e_j / s_j, so it
    /// is the sum of c_j (u1_j G + u2_j Q_j - R_j) with weights c_j that nobody could choose. `inverses` hints i_j = c_j / s_j.
    function _checkBatch(uint256 sigs, uint256 inverses, uint256 count) private pure {
        unchecked {
            uint256 g0;
            uint256 g1;
            for (uint256 j; j < count; ++j) {
                uint256 sig = sigs + j * SIGNATURE_SIZE;
                (uint256 i0, uint256 i1) = _load(inverses + j * 48);
                require(P384Field.less(i0, i1, P384Field.N0), P384ScalarMismatch(j)); // check: inverse-range
                (uint256 a0, uint256 a1) = P384Ladder.multiple(3 + 2 * j);
                (uint256 c0, uint256 c1) = P384Weights.weight(j);
                require(_opposite(a0, a1, c0, c1), P384ScalarMismatch(j)); // check: weight
                (c0, c1) = P384Ladder.modN(c0, c1);
                (a0, a1) = _load(sig + 192);
                (a0, a1) = P384Field.mulModN(a0, a1, i0, i1);
                require(a0 == c0 && a1 == c1, P384ScalarMismatch(j)); // check: inverse
                (a0, a1) = _load(sig + 144);
                (a0, a1) = P384Field.mulModN(a0, a1, i0, i1);
                (c0, c1) = P384Ladder.multiple(2 + 2 * j);
                (c0, c1) = P384Ladder.modN(c0, c1);
                require(a0 == c0 && a1 == c1, P384ScalarMismatch(j)); // check: batch-key
                (a0, a1) = _load(sig + 96);
                (a0, a1) = P384Field.mulModN(a0, a1, i0, i1);
                (g0, g1) = P384Field.addModN(g0, g1, a0, a1);
            }
            (uint256 m0, uint256 m1) = _generatorMultiple();
            require(g0 == m0 && g1 == m1, P384ScalarMismatch(count)); // check: batch-generator
        }
    }

    /// @dev sG modulo n, from the multiples of G and of 2^192 G.
    function _generatorMultiple() private pure returns (uint256 a0, uint256 a1) {
        (uint256 h0, uint256 h1) = P384Ladder.multiple(1);
        (h0, h1) = P384Ladder.modN(h0, h1);
        (h0, h1) = P384Field.mulModN(h0, h1, 1 << 192, 0);
        (a0, a1) = P384Ladder.multiple(0);
        (a0, a1) = P384Ladder.modN(a0, a1);
        return P384Field.addModN(a0, a1, h0, h1);
    }

    /// @dev a + c = 0 as integers, in two's complement of two words.
    function _opposite(uint256 a0, uint256 a1, uint256 c0, uint256 c1) private pure returns (bool yes) {
        assembly {
            c0 := add(a0, c0)
            yes := iszero(or(c0, add(add(a1, c1), lt(c0, a0))))
        }
    }

    function _load(uint256 at) private pure returns (uint256 a0, uint256 a1) {
        assembly {
            a1 := shr(128, calldataload(at))
            a0 := calldataload(add(at, 16))
        }
    }
}
