// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Arithmetic modulo the prime p and the order n of P-384, for the few places where cost matters little
/// @dev A number is (low, high): low 256 bits and the rest. B = 2^256, M = B - 1. The hot path is P384Group.
library P384Field {
    uint256 internal constant P0 = 0xfffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff;
    uint256 internal constant N0 = 0xffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973;
    /// p and n have the same high word, 2^128 - 1.
    uint256 internal constant TOP = 0xffffffffffffffffffffffffffffffff;
    uint256 private constant CURVE_B0 = 0x181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef;
    uint256 private constant CURVE_B1 = 0xb3312fa7e23ee7e4988e056be3f82d19;
    /// 2^384 - p and 2^384 - n.
    uint256 private constant CP = 0x100000000ffffffffffffffff00000001;
    uint256 private constant CN = 0x389cb27e0bc8d220a7e5f24db74f58851313e695333ad68d;

    /// @dev Whether (a0, a1) < modulus, for a modulus whose high word is TOP.
    function less(uint256 a0, uint256 a1, uint256 modulus0) internal pure returns (bool ok) {
        assembly {
            ok := or(lt(a1, TOP), and(eq(a1, TOP), lt(a0, modulus0)))
        }
    }

    function mulModP(uint256 a0, uint256 a1, uint256 b0, uint256 b1) internal pure returns (uint256, uint256) {
        return _mulMod(a0, a1, b0, b1, CP);
    }

    /// @dev At least one factor must be below n, the other below 2^384.
    function mulModN(uint256 a0, uint256 a1, uint256 b0, uint256 b1) internal pure returns (uint256, uint256) {
        return _mulMod(a0, a1, b0, b1, CN);
    }

    function addModP(uint256 a0, uint256 a1, uint256 b0, uint256 b1) internal pure returns (uint256, uint256) {
        return _addMod(a0, a1, b0, b1, CP);
    }

    function addModN(uint256 a0, uint256 a1, uint256 b0, uint256 b1) internal pure returns (uint256, uint256) {
        return _addMod(a0, a1, b0, b1, CN);
    }

    /// @dev y^2 = x^3 - 3 x + b for canonical coordinates; false when one is not below p.
    function onCurve(uint256 x0, uint256 x1, uint256 y0, uint256 y1) internal pure returns (bool) {
        if (!less(x0, x1, P0) || !less(y0, y1, P0)) return false; // check: coordinates
        (uint256 a0, uint256 a1) = mulModP(x0, x1, x0, x1);
        (a0, a1) = addModP(a0, a1, P0 - 3, TOP);
        (a0, a1) = mulModP(a0, a1, x0, x1);
        (a0, a1) = addModP(a0, a1, CURVE_B0, CURVE_B1);
        (y0, y1) = mulModP(y0, y1, y0, y1);
        return a0 == y0 && a1 == y1;
    }

    /// @dev a b modulo m = 2^384 - c, c < 2^190, for a < 2^384 and b < m. Then a b < (B - 1) B^2 and its three words are exact as in
    /// P384Group. q = w2 2^128 + floor(w2 c / B) + floor(w1 / 2^128) is at most the quotient, and at least the quotient less 3.
    function _mulMod(uint256 a0, uint256 a1, uint256 b0, uint256 b1, uint256 c) private pure returns (uint256 r0, uint256 r1) {
        assembly {
            let M := not(0)
            let w0 := mul(a0, b0)
            let w1 := add(addmod(mulmod(a0, b0, M), not(w0), M), add(mul(a1, b0), mul(a0, b1)))
            let rM := mulmod(addmod(a0, a1, M), addmod(b0, b1, M), M)
            let w2 := addmod(rM, not(addmod(w0, w1, M)), M)
            // floor(w2 c / B) = (w2 c - (w2 c mod B)) / B, read modulo M
            let t := add(addmod(mulmod(w2, c, M), not(mul(w2, c)), M), shr(128, w1))
            r0 := add(w0, mul(add(shl(128, w2), t), c))
            // -m = c - 2^384 = c - 2^128 modulo M
            let negM := addmod(c, not(shl(128, 1)), M)
            let q := addmod(mulmod(w2, shl(128, 1), M), t, M)
            rM := addmod(rM, mulmod(q, negM, M), M)
            r1 := addmod(rM, not(r0), M)
            // r < 4 m
            for {} or(gt(r1, TOP), and(eq(r1, TOP), iszero(lt(r0, sub(0, c))))) {} {
                r1 := sub(sub(r1, TOP), lt(r0, sub(0, c)))
                r0 := sub(r0, sub(0, c))
            }
        }
    }

    /// @dev a + b modulo m = 2^384 - c for a, b < m.
    function _addMod(uint256 a0, uint256 a1, uint256 b0, uint256 b1, uint256 c) private pure returns (uint256 r0, uint256 r1) {
        assembly {
            r0 := add(a0, b0)
            r1 := add(add(a1, b1), lt(r0, a0))
            if or(gt(r1, TOP), and(eq(r1, TOP), iszero(lt(r0, sub(0, c))))) {
                r1 := sub(sub(r1, TOP), lt(r0, sub(0, c)))
                r0 := sub(r0, sub(0, c))
            }
        }
    }
}
