// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// The rule does not see uses in assembly.
// solhint-disable no-unused-import

import {IP384} from "../../interfaces/IP384.sol";
import {ACC_U0, ACC_U1, ACC_UM, ACC_V0, ACC_V1, ACC_VM, T_U0, T_U1, T_UM, T_Y0, T_Y1, T_YM} from "./P384Layout.sol";

/// @title Group law of P-384 with slopes from calldata
/// @dev Each function takes the offset of its slopes, changes the running point and returns the offset behind them. Written for the
/// legacy pipeline without the Yul optimizer: products stand in line, because a call costs a fifth of one.
///
/// NOTATION. B = 2^256, M = B - 1, p = 2^384 - C. A number a is held as a = a1 B + a0 with aM = a mod M beside it. Coordinates are
/// canonical, 0 <= a < p; slopes l and differences d are signed, a1 in two's complement.
///
/// PRODUCT of l, |l| <= 2^383, and d, |d| < p. P = l d + 2^383 p lies in (0, 2^384 p) and so below (B - 1) B^2. Its words:
///     w0 = P mod B            the padding 2^383 p has low word 0
///     w1 = bits 256..511      high half of l0 d0 (from its residues modulo B and M), cross terms, PAD1, all modulo B
///     rho = P mod M           lM dM + PADM
///     w2 = rho - w0 - w1      modulo M; exact, since P < (B - 1) B^2 makes w2 < M
/// A square needs no padding: l^2 <= 2^766.
///
/// QUOTIENT. (P + A) / p for a small A >= 0 is w2 2^128 + t up to less than 2^-29, where
///     2^126 t = (w2 / 2^98) FOLD + w2 / 2^130 + w1 / 4 + A1 / 4,       FOLD = (C - 1) / 2^32
/// The remainder r follows from r mod B and r mod M, because |r| < 2 p < B M. Two forms, see docs/attestation/soundness.md section 4:
///     check  rounds so that P + A = 0 modulo p gives r = 0; r = 0 modulo B and modulo M *proves* P + A = 0 modulo p
///     value  rounds up, so that r = q p - (P + A) lies in (0, p + p / 2^29], one rare subtraction away from canonical. It is the
///            *negated* value, and coordinates are stored negated (u = -x, v = -y): so every added term A is positive.
library P384Group {
    uint256 private constant P0 = 0xfffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff;
    uint256 private constant P0_LESS_1 = 0xfffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffe;
    uint256 private constant P1 = 0xffffffffffffffffffffffffffffffff;
    uint256 private constant P1_LESS_1 = 0xfffffffffffffffffffffffffffffffe;
    uint256 private constant TOP = 0x100000000000000000000000000000000; // 2^128
    uint256 private constant HALF = 0x80000000000000000000000000000000; // 2^127
    /// 2^384 - p; also -p modulo B.
    uint256 private constant C = 0x100000000ffffffffffffffff00000001;
    /// -p modulo M, and its multiple by 2^128.
    uint256 private constant DELTA = 0xffffffffffffffff00000001;
    uint256 private constant DELTA_128 = 0xffffffffffffffff0000000100000000000000000000000000000000;
    uint256 private constant FOLD = 0x100000000ffffffffffffffff;
    /// The padding 2^383 p: its word of weight B, and its residue modulo M.
    uint256 private constant PAD1 = 0x7fffffff80000000000000007fffffff80000000000000000000000000000000;
    uint256 private constant PADM = 0xffffffff80000000000000007fffffff7fffffffffffffffffffffffffffffff;
    uint256 private constant ROUND_NEAR = 0x2000000000000000000000000; // 2^-29 in units of 2^-126
    uint256 private constant ROUND_TANGENT = 0x8000000000000000000000000; // 2^-25 in units of 2^-124
    uint256 private constant ROUND_UP = 0x40000002000000000000000000000000; // 1 + 2^-29

    /// @dev Running point P := P + T. One slope.
    function add(uint256 ptr) internal pure returns (uint256) {
        uint256 l0;
        uint256 l1;
        uint256 lM;
        {
            uint256 chord;
            uint256 residue;
            assembly {
                l1 := sar(128, calldataload(ptr))
                l0 := calldataload(add(ptr, 16))
                lM := addmod(l0, add(l1, sar(255, l1)), not(0))
                ptr := add(ptr, 48)
                // l (x2 - x1) = y2 - y1, that is l (u2 - u1) + v1 + y2 = 0
                {
                    let M := not(0)
                    let d0 := sub(mload(T_U0), mload(ACC_U0))
                    let d1 := sub(sub(mload(T_U1), mload(ACC_U1)), lt(mload(T_U0), mload(ACC_U0)))
                    let dM := addmod(mload(T_UM), not(mload(ACC_UM)), M)
                    chord := or(d0, dM)
                    let w0 := mul(l0, d0)
                    let w1 := addmod(mulmod(l0, d0, M), not(w0), M)
                    w1 := add(add(w1, PAD1), add(mul(l1, d0), mul(l0, d1)))
                    let rho := addmod(mulmod(lM, dM, M), PADM, M)
                    let w2 := addmod(rho, not(addmod(w0, w1, M)), M)
                    let t := shr(126, add(
                        add(add(mul(shr(98, w2), FOLD), shr(130, w2)), shr(2, w1)),
                        add(ROUND_NEAR, shr(2, add(mload(ACC_V1), mload(T_Y1))))
                    ))
                    residue := or(
                        add(add(w0, add(mload(ACC_V0), mload(T_Y0))), mul(add(shl(128, w2), t), C)),
                        addmod(addmod(addmod(mulmod(w2, DELTA_128, M), rho, M), mul(t, DELTA), M), addmod(mload(ACC_VM), mload(T_YM), M), M)
                    )
                }
            }
            require(chord != 0, IP384.P384SameX(ptr)); // check: same-x
            require(residue == 0, IP384.P384SlopeWrong(ptr)); // check: chord
        }
        uint256 u0;
        uint256 u1;
        uint256 uM;
        assembly {
            // x3 = l^2 - x1 - x2, that is u3 = -(l^2 + u1 + u2)
            {
                let M := not(0)
                let w0 := mul(l0, l0)
                let w1 := add(addmod(mulmod(l0, l0, M), not(w0), M), shl(1, mul(l1, l0)))
                let rho := mulmod(lM, lM, M)
                let w2 := addmod(rho, not(addmod(w0, w1, M)), M)
                let t := shr(126, add(
                    add(add(mul(shr(98, w2), FOLD), shr(130, w2)), shr(2, w1)),
                    add(ROUND_UP, shr(2, add(mload(ACC_U1), mload(T_U1))))
                ))
                u0 := sub(sub(mul(add(shl(128, w2), t), P0), w0), add(mload(ACC_U0), mload(T_U0)))
                uM := not(addmod(
                    addmod(addmod(mulmod(w2, DELTA_128, M), rho, M), mul(t, DELTA), M),
                    addmod(mload(ACC_UM), mload(T_UM), M),
                    M
                ))
                u1 := addmod(uM, not(u0), M)
                if gt(u1, P1_LESS_1) {
                    if or(gt(u1, P1), gt(u0, P0_LESS_1)) {
                        u1 := sub(sub(u1, P1), lt(u0, P0))
                        u0 := sub(u0, P0)
                        uM := addmod(uM, DELTA, M)
                    }
                }
            }
            // y3 = l (x1 - x3) - y1, that is v3 = -(l (u3 - u1) + v1)
            {
                let M := not(0)
                let d0 := sub(u0, mload(ACC_U0))
                let d1 := sub(sub(u1, mload(ACC_U1)), lt(u0, mload(ACC_U0)))
                let dM := addmod(uM, not(mload(ACC_UM)), M)
                let w0 := mul(l0, d0)
                let w1 := addmod(mulmod(l0, d0, M), not(w0), M)
                w1 := add(add(w1, PAD1), add(mul(l1, d0), mul(l0, d1)))
                let rho := addmod(mulmod(lM, dM, M), PADM, M)
                let w2 := addmod(rho, not(addmod(w0, w1, M)), M)
                let t := shr(126, add(add(add(mul(shr(98, w2), FOLD), shr(130, w2)), shr(2, w1)), add(ROUND_UP, shr(2, mload(ACC_V1)))))
                d0 := sub(sub(mul(add(shl(128, w2), t), P0), w0), mload(ACC_V0))
                dM := not(addmod(addmod(addmod(mulmod(w2, DELTA_128, M), rho, M), mul(t, DELTA), M), mload(ACC_VM), M))
                d1 := addmod(dM, not(d0), M)
                if gt(d1, P1_LESS_1) {
                    if or(gt(d1, P1), gt(d0, P0_LESS_1)) {
                        d1 := sub(sub(d1, P1), lt(d0, P0))
                        d0 := sub(d0, P0)
                        dM := addmod(dM, DELTA, M)
                    }
                }
                mstore(ACC_V0, d0)
                mstore(ACC_V1, d1)
                mstore(ACC_VM, dM)
            }
            mstore(ACC_U0, u0)
            mstore(ACC_U1, u1)
            mstore(ACC_UM, uM)
        }
        return ptr;
    }

    /// @dev Running point P := 2^times P, times > 0. One slope each.
    function double(uint256 ptr, uint256 times) internal pure returns (uint256) {
        uint256 residue;
        assembly {
            for {} times { times := sub(times, 1) } {
                let l1 := sar(128, calldataload(ptr))
                let l0 := calldataload(add(ptr, 16))
                let lM := addmod(l0, add(l1, sar(255, l1)), not(0))
                ptr := add(ptr, 48)
                // 2 y l = 3 (x^2 - 1), that is 2 (l v) + 3 (u^2 - 1) = 0: a is l v, padded; b is u^2; one quotient for 2 a + 3 b
                {
                    let a0
                    let a1
                    let a2
                    let alpha
                    {
                        let M := not(0)
                        let v0 := mload(ACC_V0)
                        a0 := mul(l0, v0)
                        a1 := addmod(mulmod(l0, v0, M), not(a0), M)
                        a1 := add(add(a1, PAD1), add(mul(l1, v0), mul(l0, mload(ACC_V1))))
                        alpha := addmod(mulmod(lM, mload(ACC_VM), M), PADM, M)
                        a2 := addmod(alpha, not(addmod(a0, a1, M)), M)
                    }
                    let M := not(0)
                    let u0 := mload(ACC_U0)
                    let b0 := mul(u0, u0)
                    let b1 := add(addmod(mulmod(u0, u0, M), not(b0), M), shl(1, mul(mload(ACC_U1), u0)))
                    let beta := mulmod(mload(ACC_UM), mload(ACC_UM), M)
                    let b2 := addmod(beta, not(addmod(b0, b1, M)), M)
                    // quotient in units of 2^-124
                    let t := add(shl(1, shr(100, a2)), mul(3, shr(100, b2)))
                    t := add(add(mul(t, FOLD), shr(32, t)), add(shl(1, shr(4, a1)), mul(3, shr(4, b1))))
                    t := shr(124, add(t, ROUND_TANGENT))
                    alpha := addmod(mulmod(a2, DELTA_128, M), alpha, M)
                    beta := addmod(addmod(mulmod(b2, DELTA_128, M), beta, M), not(1), M)
                    residue := or(residue, or(
                        add(add(shl(1, a0), mul(3, sub(b0, 1))), mul(add(shl(128, add(shl(1, a2), mul(3, b2))), t), C)),
                        addmod(addmod(mulmod(alpha, 2, M), mul(t, DELTA), M), mulmod(beta, 3, M), M)
                    ))
                }
                let u0
                let u1
                let uM
                // x3 = l^2 - 2 x1, that is u3 = -(l^2 + 2 u1)
                {
                    let M := not(0)
                    let w0 := mul(l0, l0)
                    let w1 := add(addmod(mulmod(l0, l0, M), not(w0), M), shl(1, mul(l1, l0)))
                    let rho := mulmod(lM, lM, M)
                    let w2 := addmod(rho, not(addmod(w0, w1, M)), M)
                    let t := shr(126, add(add(add(mul(shr(98, w2), FOLD), shr(130, w2)), shr(2, w1)), add(ROUND_UP, shr(1, mload(ACC_U1)))))
                    u0 := sub(sub(mul(add(shl(128, w2), t), P0), w0), shl(1, mload(ACC_U0)))
                    uM := not(addmod(addmod(addmod(mulmod(w2, DELTA_128, M), rho, M), mul(t, DELTA), M), mulmod(2, mload(ACC_UM), M), M))
                    u1 := addmod(uM, not(u0), M)
                    if gt(u1, P1_LESS_1) {
                        if or(gt(u1, P1), gt(u0, P0_LESS_1)) {
                            u1 := sub(sub(u1, P1), lt(u0, P0))
                            u0 := sub(u0, P0)
                            uM := addmod(uM, DELTA, M)
                        }
                    }
                }
                // v3 = -(l (u3 - u1) + v1)
                {
                    let M := not(0)
                    let d0 := sub(u0, mload(ACC_U0))
                    let d1 := sub(sub(u1, mload(ACC_U1)), lt(u0, mload(ACC_U0)))
                    let dM := addmod(uM, not(mload(ACC_UM)), M)
                    let w0 := mul(l0, d0)
                    let w1 := addmod(mulmod(l0, d0, M), not(w0), M)
                    w1 := add(add(w1, PAD1), add(mul(l1, d0), mul(l0, d1)))
                    let rho := addmod(mulmod(lM, dM, M), PADM, M)
                    let w2 := addmod(rho, not(addmod(w0, w1, M)), M)
                    let t := shr(126, add(add(add(mul(shr(98, w2), FOLD), shr(130, w2)), shr(2, w1)), add(ROUND_UP, shr(2, mload(ACC_V1)))))
                    d0 := sub(sub(mul(add(shl(128, w2), t), P0), w0), mload(ACC_V0))
                    dM := not(addmod(addmod(addmod(mulmod(w2, DELTA_128, M), rho, M), mul(t, DELTA), M), mload(ACC_VM), M))
                    d1 := addmod(dM, not(d0), M)
                    if gt(d1, P1_LESS_1) {
                        if or(gt(d1, P1), gt(d0, P0_LESS_1)) {
                            d1 := sub(sub(d1, P1), lt(d0, P0))
                            d0 := sub(d0, P0)
                            dM := addmod(dM, DELTA, M)
                        }
                    }
                    mstore(ACC_V0, d0)
                    mstore(ACC_V1, d1)
                    mstore(ACC_VM, dM)
                }
                mstore(ACC_U0, u0)
                mstore(ACC_U1, u1)
                mstore(ACC_UM, uM)
            }
        }
        require(residue == 0, IP384.P384SlopeWrong(ptr)); // check: tangent
        return ptr;
    }

    /// @dev Running point P := 2 P + T as (P + T) + P, without the y of the point between. Two slopes: k of P and T, l of P and P + T.
    /// With S = P + T on the line of k: y_S = k (x1 - x_S) - y1, so l (x_S - x1) = y_S - y1 says (k + l)(x_S - x1) = -2 y1.
    function doubleAdd(uint256 ptr) internal pure returns (uint256) {
        uint256 l0;
        uint256 l1;
        uint256 lM;
        {
            uint256 chord;
            uint256 residue;
            assembly {
                l1 := sar(128, calldataload(ptr))
                l0 := calldataload(add(ptr, 16))
                lM := addmod(l0, add(l1, sar(255, l1)), not(0))
                ptr := add(ptr, 48)
                // k (x2 - x1) = y2 - y1; k stands in l0, l1, lM for now
                {
                    let M := not(0)
                    let d0 := sub(mload(T_U0), mload(ACC_U0))
                    let d1 := sub(sub(mload(T_U1), mload(ACC_U1)), lt(mload(T_U0), mload(ACC_U0)))
                    let dM := addmod(mload(T_UM), not(mload(ACC_UM)), M)
                    chord := or(d0, dM)
                    let w0 := mul(l0, d0)
                    let w1 := addmod(mulmod(l0, d0, M), not(w0), M)
                    w1 := add(add(w1, PAD1), add(mul(l1, d0), mul(l0, d1)))
                    let rho := addmod(mulmod(lM, dM, M), PADM, M)
                    let w2 := addmod(rho, not(addmod(w0, w1, M)), M)
                    let t := shr(126, add(
                        add(add(mul(shr(98, w2), FOLD), shr(130, w2)), shr(2, w1)),
                        add(ROUND_NEAR, shr(2, add(mload(ACC_V1), mload(T_Y1))))
                    ))
                    residue := or(
                        add(add(w0, add(mload(ACC_V0), mload(T_Y0))), mul(add(shl(128, w2), t), C)),
                        addmod(addmod(addmod(mulmod(w2, DELTA_128, M), rho, M), mul(t, DELTA), M), addmod(mload(ACC_VM), mload(T_YM), M), M)
                    )
                }
            }
            require(chord != 0, IP384.P384SameX(ptr)); // check: same-x-fused
            require(residue == 0, IP384.P384SlopeWrong(ptr)); // check: chord-fused
        }
        uint256 s0;
        uint256 s1;
        uint256 sM;
        assembly {
            // x of S = P + T
            {
                let M := not(0)
                let w0 := mul(l0, l0)
                let w1 := add(addmod(mulmod(l0, l0, M), not(w0), M), shl(1, mul(l1, l0)))
                let rho := mulmod(lM, lM, M)
                let w2 := addmod(rho, not(addmod(w0, w1, M)), M)
                let t := shr(126, add(
                    add(add(mul(shr(98, w2), FOLD), shr(130, w2)), shr(2, w1)),
                    add(ROUND_UP, shr(2, add(mload(ACC_U1), mload(T_U1))))
                ))
                s0 := sub(sub(mul(add(shl(128, w2), t), P0), w0), add(mload(ACC_U0), mload(T_U0)))
                sM := not(addmod(
                    addmod(addmod(mulmod(w2, DELTA_128, M), rho, M), mul(t, DELTA), M),
                    addmod(mload(ACC_UM), mload(T_UM), M),
                    M
                ))
                s1 := addmod(sM, not(s0), M)
                if gt(s1, P1_LESS_1) {
                    if or(gt(s1, P1), gt(s0, P0_LESS_1)) {
                        s1 := sub(sub(s1, P1), lt(s0, P0))
                        s0 := sub(s0, P0)
                        sM := addmod(sM, DELTA, M)
                    }
                }
            }
        }
        {
            uint256 residue;
            assembly {
                // (k + l)(x_S - x1) = -2 y1, that is m (u_S - u1) + 2 v1 = 0
                {
                    let m0 := l0
                    let m1 := l1
                    let mM := lM
                    l1 := sar(128, calldataload(ptr))
                    l0 := calldataload(add(ptr, 16))
                    lM := addmod(l0, add(l1, sar(255, l1)), not(0))
                    m0 := add(m0, l0)
                    m1 := add(add(m1, l1), lt(m0, l0))
                    mM := addmod(mM, lM, not(0))
                    // k + l brought back to |m| <= 2^383 by one p
                    if shr(128, add(m1, HALF)) {
                        switch slt(m1, 0)
                        case 0 {
                            m0 := add(m0, C)
                            m1 := add(sub(m1, TOP), lt(m0, C))
                            mM := addmod(mM, DELTA, not(0))
                        }
                        default {
                            m1 := sub(add(m1, TOP), lt(m0, C))
                            m0 := sub(m0, C)
                            mM := addmod(mM, not(DELTA), not(0))
                        }
                    }
                    let M := not(0)
                    let d0 := sub(s0, mload(ACC_U0))
                    let d1 := sub(sub(s1, mload(ACC_U1)), lt(s0, mload(ACC_U0)))
                    let dM := addmod(sM, not(mload(ACC_UM)), M)
                    let w0 := mul(m0, d0)
                    let w1 := addmod(mulmod(m0, d0, M), not(w0), M)
                    w1 := add(add(w1, PAD1), add(mul(m1, d0), mul(m0, d1)))
                    let rho := addmod(mulmod(mM, dM, M), PADM, M)
                    let w2 := addmod(rho, not(addmod(w0, w1, M)), M)
                    let t := shr(126, add(
                        add(add(mul(shr(98, w2), FOLD), shr(130, w2)), shr(2, w1)),
                        add(ROUND_NEAR, shr(1, mload(ACC_V1)))
                    ))
                    residue := or(
                        add(add(w0, shl(1, mload(ACC_V0))), mul(add(shl(128, w2), t), C)),
                        addmod(addmod(addmod(mulmod(w2, DELTA_128, M), rho, M), mul(t, DELTA), M), mulmod(2, mload(ACC_VM), M), M)
                    )
                }
                ptr := add(ptr, 48)
            }
            // x_S = x1 fails here by itself: the equation would read 0 = -2 y1
            require(residue == 0, IP384.P384SlopeWrong(ptr)); // check: chord-second
        }
        assembly {
            // x of the sum, in place of S: -(l^2 + u1 + u_S)
            {
                let M := not(0)
                let w0 := mul(l0, l0)
                let w1 := add(addmod(mulmod(l0, l0, M), not(w0), M), shl(1, mul(l1, l0)))
                let rho := mulmod(lM, lM, M)
                let w2 := addmod(rho, not(addmod(w0, w1, M)), M)
                let t := shr(126, add(
                    add(add(mul(shr(98, w2), FOLD), shr(130, w2)), shr(2, w1)),
                    add(ROUND_UP, shr(2, add(mload(ACC_U1), s1)))
                ))
                s0 := sub(sub(mul(add(shl(128, w2), t), P0), w0), add(mload(ACC_U0), s0))
                sM := not(addmod(addmod(addmod(mulmod(w2, DELTA_128, M), rho, M), mul(t, DELTA), M), addmod(mload(ACC_UM), sM, M), M))
                s1 := addmod(sM, not(s0), M)
                if gt(s1, P1_LESS_1) {
                    if or(gt(s1, P1), gt(s0, P0_LESS_1)) {
                        s1 := sub(sub(s1, P1), lt(s0, P0))
                        s0 := sub(s0, P0)
                        sM := addmod(sM, DELTA, M)
                    }
                }
            }
            // v3 = -(l (u3 - u1) + v1)
            {
                let M := not(0)
                let d0 := sub(s0, mload(ACC_U0))
                let d1 := sub(sub(s1, mload(ACC_U1)), lt(s0, mload(ACC_U0)))
                let dM := addmod(sM, not(mload(ACC_UM)), M)
                let w0 := mul(l0, d0)
                let w1 := addmod(mulmod(l0, d0, M), not(w0), M)
                w1 := add(add(w1, PAD1), add(mul(l1, d0), mul(l0, d1)))
                let rho := addmod(mulmod(lM, dM, M), PADM, M)
                let w2 := addmod(rho, not(addmod(w0, w1, M)), M)
                let t := shr(126, add(add(add(mul(shr(98, w2), FOLD), shr(130, w2)), shr(2, w1)), add(ROUND_UP, shr(2, mload(ACC_V1)))))
                d0 := sub(sub(mul(add(shl(128, w2), t), P0), w0), mload(ACC_V0))
                dM := not(addmod(addmod(addmod(mulmod(w2, DELTA_128, M), rho, M), mul(t, DELTA), M), mload(ACC_VM), M))
                d1 := addmod(dM, not(d0), M)
                if gt(d1, P1_LESS_1) {
                    if or(gt(d1, P1), gt(d0, P0_LESS_1)) {
                        d1 := sub(sub(d1, P1), lt(d0, P0))
                        d0 := sub(d0, P0)
                        dM := addmod(dM, DELTA, M)
                    }
                }
                mstore(ACC_V0, d0)
                mstore(ACC_V1, d1)
                mstore(ACC_VM, dM)
            }
            mstore(ACC_U0, s0)
            mstore(ACC_U1, s1)
            mstore(ACC_UM, sM)
        }
        return ptr;
    }
}
