// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// Memory of the P-384 ladder. `P384.verify` takes its parameters from calldata and allocates nothing, so all of memory above Solidity's
// own 0x00..0x7f is the ladder's; the regions below do not overlap, and test/attestation/p384/layout.test.ts checks that at the cap.

// The running point as three words a coordinate (low, high, residue modulo 2^256 - 1), coordinates *negated*: u = -x, v = -y modulo p.
uint256 constant ACC_U0 = 0x80;
uint256 constant ACC_U1 = 0xa0;
uint256 constant ACC_UM = 0xc0;
uint256 constant ACC_V0 = 0xe0;
uint256 constant ACC_V1 = 0x100;
uint256 constant ACC_VM = 0x120;

// The point T that the next step adds: its u = -x and its y, *not* negated: the chord's equation then has only positive terms.
uint256 constant T_U0 = 0x140;
uint256 constant T_U1 = 0x160;
uint256 constant T_UM = 0x180;
uint256 constant T_Y0 = 0x1a0;
uint256 constant T_Y1 = 0x1c0;
uint256 constant T_YM = 0x1e0;

// Multiples summed so far: for each point a signed number in three words of weight 1, 2^128, 2^256.
// Points are counted: 0 is G, 1 is 2^192 G, 2 + 2j is Q_j, 3 + 2j is R_j.
uint256 constant SCALARS = 0x200;
uint256 constant SCALAR_SIZE = 0x60;
// Batch: the weight c_j of each equation, two words (low, high), two's complement.
uint256 constant WEIGHTS = 0x680;
// Records of +1, -1, +3, -3, .. +15, -15 times Q_0, then R_0, Q_1, R_1, .. : 32 a signature. Before that, the hash's input.
uint256 constant TABLE = 0x7c0;

// A record: the six words of a T, the signed number that it counts for, the address of the scalar that it counts in.
uint256 constant RECORD_SIZE = 0x100;
uint256 constant RECORD_DIGIT = 0xc0;
uint256 constant RECORD_SCALAR = 0xe0;
