import { p384 } from "@noble/curves/nist.js";

import { buildTable, Kind, Writer, type Term } from "../../../sdk/attestation/p384/chain.ts";
import { addPoints, doublePoint, invert, mod, N, negate, P, type Point } from "../../../sdk/attestation/p384/curve.ts";
import { generatorMultiples } from "../../../sdk/attestation/p384/generator.ts";
import { hex, type Signature } from "../../../sdk/attestation/p384/prove.ts";

/** A table entry as a step names it. */
export interface Entry extends Term {
  point: Point;
}

/** Where the point of a slope lies, by the formulas alone: nothing here asks whether the slope is right. */
export function alongSlope(a: Point, otherX: bigint, slope: bigint): Point {
  const x = mod(slope * slope - a.x - otherX, P);
  return { x, y: mod(slope * (a.x - x) - a.y, P) };
}

/** A program written step by step by someone who may lie about every slope. */
export class Program {
  #tables: string;
  #steps = new Writer();
  #position = 0;
  #multiples: Point[][];
  running!: Point;

  /** `points` are Q_0, R_0, Q_1, .. */
  constructor(points: Point[]) {
    const writer = new Writer();
    this.#multiples = points.map((point) => buildTable(point, writer));
    this.#tables = writer.toString();
  }

  /** digit times point number i of the constructor. */
  entry(i: number, digit: number): Entry {
    const at = (Math.abs(digit) - 1) / 2;
    const point = this.#multiples[i]![at]!;
    return { index: 8 * i + at, minus: digit < 0, point: digit < 0 ? negate(point) : point };
  }

  generator(digit: number): Entry {
    const at = (Math.abs(digit) - 1) / 2;
    const point = generatorMultiples()[at]!;
    return { index: 256 + at, minus: digit < 0, point: digit < 0 ? negate(point) : point };
  }

  load(position: number, entry: Entry): this {
    this.#position = position;
    this.#steps.header(0, Kind.add, entry);
    this.running = entry.point;
    return this;
  }

  add(entry: Entry, slope = addPoints(this.running, entry.point).slope): this {
    this.#steps.header(0, Kind.add, entry);
    this.#steps.slope(slope);
    this.running = alongSlope(this.running, entry.point.x, slope);
    return this;
  }

  double(times = 1, slopes: bigint[] = []): this {
    for (let i = 0; i < times; i++) {
      this.#steps.header(1, Kind.add, { index: 255, minus: true });
      const slope = slopes[i] ?? doublePoint(this.running).slope;
      this.#steps.slope(slope);
      this.running = alongSlope(this.running, this.running.x, slope);
    }
    return this;
  }

  fused(entry: Entry, k = addPoints(this.running, entry.point).slope, second?: bigint): this {
    const sum = alongSlope(this.running, entry.point.x, k);
    const slope = second ?? addPoints(this.running, sum).slope;
    this.#steps.header(0, Kind.fused, entry);
    this.#steps.slope(k);
    this.#steps.slope(slope);
    this.running = alongSlope(this.running, sum.x, slope);
    return this;
  }

  /** The header of a double-and-add that names no point. */
  fusedNothing(): this {
    this.#steps.header(0, Kind.fused, { index: 255, minus: true });
    return this;
  }

  /** Ends the program; `honest` says that the sum is expected to vanish, to catch mistakes in a test. */
  close(entry: Entry, honest = true): this {
    if (honest && (this.running.x !== entry.point.x || this.running.y !== mod(-entry.point.y, P))) throw new Error("does not close");
    this.#steps.header(0, Kind.close, entry);
    return this;
  }

  toString(): string {
    return hex(BigInt(this.#position), 2) + this.#tables + this.#steps.toString();
  }

  /** Hints of one signature. */
  hints(nonce: Point, overflow = false): `0x${string}` {
    return `0x${hex(nonce.y, 48)}${overflow ? "01" : "00"}${this.toString()}`;
  }
}

/** What the standard says, by another implementation. */
export function isValid({ x, y, e, r, s }: Signature): boolean {
  try {
    const bytes = (value: bigint) => Buffer.from(hex(value, 48), "hex");
    const key = Buffer.concat([Buffer.from([4]), bytes(x), bytes(y)]);
    return p384.verify(Buffer.concat([bytes(r), bytes(s)]), bytes(e), key, { prehash: false, lowS: false });
  } catch {
    return false;
  }
}

/** s and e for which a relation sG G + sQ Q + sR R = O passes for a signature with this r. */
export function scalarsFor(r: bigint, sG: bigint, sQ: bigint, sR: bigint): { e: bigint; s: bigint } {
  const s = mod(-r * sR * invert(sQ, N), N);
  return { s, e: mod(-s * sG * invert(sR, N), N) };
}

/** The best that can be sent for an invalid signature without solving anything: the right shape, R of the right x where one exists. */
export function lyingHints(signature: Signature): `0x${string}` {
  const nonce = { x: signature.r, y: squareRoot(mod(signature.r ** 3n - 3n * signature.r + CURVE_B, P)) };
  const program = new Program([signature, nonce].map(({ x, y }) => ({ x, y: y === 0n ? 1n : y })));
  program.load(0, program.entry(1, 1)).add(program.generator(1)).close(program.entry(0, 1), false);
  return program.hints(nonce);
}

export const CURVE_B = 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn;

/** A root of a where there is one. p = 3 modulo 4. */
export function squareRoot(a: bigint): bigint {
  let result = 1n;
  for (let base = mod(a, P), e = (P + 1n) / 4n; e > 0n; e >>= 1n, base = (base * base) % P) if (e & 1n) result = (result * base) % P;
  return result;
}
