/**
 * Writes contracts/attestation/Sha384.sol: the compression function fully unrolled, because a loop costs 7 % more gas.
 *
 *   node scripts/generate/sha384.ts           write the file
 *   node scripts/generate/sha384.ts --check   fail when the committed file differs
 *
 * Constants come from their definition (FIPS 180-4: fractional parts of square and cube roots of primes), not from a table.
 */
import { readFileSync, writeFileSync } from "node:fs";

const TARGET = new URL("../../contracts/attestation/Sha384.sol", import.meta.url);

/** Memory map of the kernel. Chaining words first, then 80 slots of 16 bytes, then the padded message. */
const STATE = 0x00;
const SCHEDULE = 0x120;
const MESSAGE = SCHEDULE + 80 * 16 + 16;

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const slot = (t: number): string => hex(SCHEDULE + 16 * t);

function primes(count: number): bigint[] {
  const found: bigint[] = [];
  for (let n = 2n; found.length < count; n++) if (found.every((p) => n % p !== 0n)) found.push(n);
  return found;
}

/** floor(value ** (1 / degree)), by bisection. */
function root(value: bigint, degree: bigint): bigint {
  let low = 0n;
  let high = 1n << 80n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** degree <= value) low = middle;
    else high = middle;
  }
  return low;
}

const fraction = (prime: bigint, degree: bigint): bigint => root(prime << (64n * degree), degree) & ((1n << 64n) - 1n);
const K = primes(80).map((prime) => fraction(prime, 3n));
const INITIAL = primes(16).slice(8).map((prime) => fraction(prime, 2n));

/** Two words of the schedule at a time: one in each half of a 256-bit word. */
function expand(t: number): string {
  return `                {
                    let x := mload(${slot(t - 15)})
                    let d := mul(x, TWICE)
                    let y := mload(${slot(t - 2)})
                    let e := mul(y, TWICE)
                    mstore(${slot(t)}, and(add(
                        add(
                            and(xor(xor(shr(1, d), shr(8, d)), shr(7, x)), LANES),
                            and(xor(xor(shr(19, e), shr(61, e)), shr(6, y)), LANES)
                        ),
                        add(mload(${slot(t - 16)}), mload(${slot(t - 7)}))
                    ), LANES))
                }`;
}

/** One round; the eight names rotate at generation time, so nothing moves on the stack. */
function round(t: number): string {
  const [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => "abcdefgh"[(i - t + 800) % 8]);
  const sum1 = `xor(xor(shr(14, ${e}), shr(18, ${e})), shr(41, ${e}))`;
  const sum0 = `xor(xor(shr(28, ${a}), shr(34, ${a})), shr(39, ${a}))`;
  return `                ${h} := add(
                    add(add(${h}, ${sum1}), xor(${g}, and(${e}, xor(${f}, ${g})))),
                    add(mload(${slot(t - 1)}), ${hex(K[t] as bigint)})
                )
                ${d} := mul(and(add(${d}, ${h}), WORD), TWICE)
                ${h} := mul(and(add(add(${h}, ${sum0}), add(and(${a}, ${b}), and(${c}, xor(${a}, ${b})))), WORD), TWICE)`;
}

/** Four words of the message, two slots' worth of pairs. */
const loadQuad = (quad: number): string => `                {
                    let x := mload(add(block_, ${hex(32 * quad)}))
                    let d := shr(128, x)
                    mstore(${slot(4 * quad)}, and(or(shl(64, d), d), LANES))
                    mstore(${slot(4 * quad + 2)}, and(or(shl(64, x), and(x, HALF)), LANES))
                }`;

function body(): string {
  const initial = INITIAL.map((word, i) => `            mstore(${hex(STATE + 32 * i)}, mul(${hex(word)}, TWICE))`).join("\n");
  const load = [0, 1, 2, 3].map(loadQuad).join("\n");
  const schedule = Array.from({ length: 32 }, (_, i) => expand(16 + 2 * i)).join("\n");
  const names = [..."abcdefgh"];
  const open = names.map((name, i) => `                let ${name} := mload(${hex(STATE + 32 * i)})`).join("\n");
  const rounds = Array.from({ length: 80 }, (_, t) => round(t)).join("\n");
  const close = names
    .map((name, i) => `                mstore(${hex(STATE + 32 * i)}, mul(and(add(mload(${hex(STATE + 32 * i)}), ${name}), WORD), TWICE))`)
    .join("\n");
  const word = (i: number): string => `and(mload(${hex(STATE + 32 * i)}), WORD)`;
  return `${initial}
            calldatacopy(${hex(MESSAGE)}, message.offset, message.length)
            // Padding: a one bit, zeros (fresh memory), the length in bits in the last 16 bytes.
            mstore8(add(${hex(MESSAGE)}, message.length), 0x80)
            let end := add(${hex(MESSAGE)}, and(add(message.length, 144), not(127)))
            mstore(sub(end, 32), or(mload(sub(end, 32)), shl(3, message.length)))
            for { let block_ := ${hex(MESSAGE)} } lt(block_, end) { block_ := add(block_, 128) } {
${load}
${schedule}
${open}
${rounds}
${close}
            }
            high := or(
                or(shl(192, ${word(0)}), shl(128, ${word(1)})),
                or(shl(64, ${word(2)}), ${word(3)})
            )
            low := or(shl(192, ${word(4)}), shl(128, ${word(5)}))
            mstore(0x00, high)
            mstore(0x20, low)
            return(0x00, 0x40)`;
}

function render(): string {
  const text = `// SPDX-License-Identifier: MIT
// Generated by scripts/generate/sha384.ts; do not edit.
pragma solidity ^0.8.30;

import {ISha384} from "../interfaces/ISha384.sol";

/// @title SHA-384 kernel
/// @dev Why it looks like this. A state word x is kept as x * (2^64 + 1), so that a rotation is one shift; bits above the
/// lowest 64 are rubbish after an addition and are masked once, when the new a and e are made. The schedule keeps one
/// word per 16 bytes: a load at a slot yields two neighbours, one in each half, and two words are expanded at a time.
/// Both halves are masked before they are added, so that nothing carries from one into the other.
/// The contract has no memory of its own to spare: the kernel owns all of it and returns from assembly.
contract Sha384 is ISha384 {
    uint256 private constant WORD = 0xffffffffffffffff;
    uint256 private constant HALF = 0xffffffffffffffffffffffffffffffff;
    uint256 private constant TWICE = 0x10000000000000001;
    uint256 private constant LANES = 0xffffffffffffffff0000000000000000ffffffffffffffff;

    /// @inheritdoc ISha384
    function digest(bytes calldata message) external pure returns (bytes32 high, bytes16 low) {
        assembly {
${body()}
        }
    }
}
`;
  return text;
}

const text = render();
if (process.argv.includes("--check")) {
  if (readFileSync(TARGET, "utf8") !== text) throw new Error("contracts/attestation/Sha384.sol differs from its generator");
} else {
  writeFileSync(TARGET, text);
}
