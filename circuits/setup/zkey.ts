/** Writes and reads Groth16 proving keys in snarkjs's zkey format. */
import { A, C, domainExponent, termsOf } from "./r1cs.ts";
import type { R1cs, Term } from "./r1cs.ts";
import { Q, R, readScalar, writeScalar } from "./field.ts";
import { readSection, readSections, SetupFileError, streamSections } from "./sections.ts";
import type { Content } from "./sections.ts";

const GROTH16 = 1;
/** Coefficients are stored times 2^512, so that one Montgomery product with a plain witness value is in Montgomery form. */
const COEFFICIENT_SCALE = (1n << 512n) % R;
/** Coordinates of points are in Montgomery form: times 2^256. */
const MONTGOMERY_INVERSE = inverseQ((1n << 256n) % Q);

export type G1 = readonly [x: bigint, y: bigint];
/** Real part before imaginary part, as snarkjs writes them; the precompiles want the opposite. */
export type G2 = readonly [x: readonly [bigint, bigint], y: readonly [bigint, bigint]];

/** What a verifier needs of a proving key. */
export interface VerifyingKey {
  alpha: G1;
  beta: G2;
  gamma: G2;
  delta: G2;
  ic: G1[];
}

/** Points as they stand in the file; those of which there is one for each wire or row come in parts. */
export interface KeyPoints {
  alpha1: Uint8Array;
  beta1: Uint8Array;
  beta2: Uint8Array;
  gamma2: Uint8Array;
  delta1: Uint8Array;
  delta2: Uint8Array;
  ic: Content;
  a: Content;
  b1: Content;
  b2: Content;
  l: Content;
  h: Content;
}

/** `circuitHash` and contributions are what phase 2 verification walks; a directly made key has none. */
export async function writeZkey(path: string, r1cs: R1cs, points: KeyPoints, circuitHash = new Uint8Array(64)): Promise<void> {
  const header = Buffer.alloc(84);
  header.writeUInt32LE(32, 0);
  header.writeUInt32LE(32, 36);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  writeScalar(view, 4, Q);
  writeScalar(view, 40, R);
  header.writeUInt32LE(r1cs.wires, 72);
  header.writeUInt32LE(r1cs.publics, 76);
  header.writeUInt32LE(2 ** domainExponent(r1cs), 80);
  const protocol = Buffer.alloc(4);
  protocol.writeUInt32LE(GROTH16);
  const { alpha1, beta1, beta2, gamma2, delta1, delta2 } = points;
  await streamSections(path, "zkey", 1, [
    [1, [protocol]],
    [2, [header, alpha1, beta1, beta2, gamma2, delta1, delta2]],
    [3, points.ic],
    [9, points.h],
    [4, coefficients(r1cs)],
    [8, points.l],
    [5, points.a],
    [6, points.b1],
    [7, points.b2],
    [10, [circuitHash, Buffer.alloc(4)]],
  ]);
}

const COEFFICIENT_BYTES = 44;
const COEFFICIENTS_AT_ONCE = 1 << 16;

/** Their number, then each: terms of A and B, row by row, then the rows that bind the public wires. */
function* coefficients(r1cs: R1cs): Generator<Uint8Array> {
  let count = 0;
  for (const _ of entries(r1cs)) count++;
  const head = Buffer.alloc(4);
  head.writeUInt32LE(count);
  yield head;
  const part = new DataView(new ArrayBuffer(COEFFICIENTS_AT_ONCE * COEFFICIENT_BYTES));
  let filled = 0;
  for (const { form, row, wire, coefficient } of entries(r1cs)) {
    part.setUint32(filled, form, true);
    part.setUint32(filled + 4, row, true);
    part.setUint32(filled + 8, wire, true);
    writeScalar(part, filled + 12, (coefficient * COEFFICIENT_SCALE) % R);
    filled += COEFFICIENT_BYTES;
    if (filled < part.byteLength) continue;
    yield new Uint8Array(part.buffer);
    filled = 0;
  }
  yield new Uint8Array(part.buffer, 0, filled);
}

function* entries(r1cs: R1cs): Generator<Term> {
  for (const term of termsOf(r1cs)) if (term.form !== C) yield term;
  for (let wire = 0; wire <= r1cs.publics; wire++) yield { form: A, row: r1cs.rows + wire, wire, coefficient: 1n };
}

export interface ZkeyHeader {
  wires: number;
  publics: number;
  domainSize: number;
}

export function readZkeyHeader(path: string): ZkeyHeader {
  const section = header(path);
  return { wires: section.readUInt32LE(72), publics: section.readUInt32LE(76), domainSize: section.readUInt32LE(80) };
}

export function readVerifyingKey(path: string): VerifyingKey {
  const head = header(path);
  const publics = head.readUInt32LE(76);
  const ic = readSection(path, readSections(path, "zkey"), 3);
  if (ic.length !== (publics + 1) * 64) throw new SetupFileError(`${path}: ${ic.length / 64} IC points for ${publics} public signals`);
  return {
    alpha: g1(head, 84),
    beta: g2(head, 84 + 128),
    gamma: g2(head, 84 + 256),
    delta: g2(head, 84 + 448),
    ic: Array.from({ length: publics + 1 }, (_, i) => g1(ic, i * 64)),
  };
}

function header(path: string): Buffer {
  const sections = readSections(path, "zkey");
  if (readSection(path, sections, 1).readUInt32LE() !== GROTH16) throw new SetupFileError(`${path}: not a Groth16 key`);
  const section = readSection(path, sections, 2);
  const view = new DataView(section.buffer, section.byteOffset, section.byteLength);
  if (section.length !== 84 + 576 || readScalar(view, 4) !== Q || readScalar(view, 40) !== R) {
    throw new SetupFileError(`${path}: not a BN254 key`);
  }
  return section;
}

function coordinate(bytes: Buffer, offset: number): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (readScalar(view, offset) * MONTGOMERY_INVERSE) % Q;
}

export function g1(bytes: Buffer, offset: number): G1 {
  return [coordinate(bytes, offset), coordinate(bytes, offset + 32)];
}

export function g2(bytes: Buffer, offset: number): G2 {
  const at = (index: number) => coordinate(bytes, offset + 32 * index);
  return [
    [at(0), at(1)],
    [at(2), at(3)],
  ];
}

function inverseQ(value: bigint): bigint {
  let [result, square] = [1n, value];
  for (let left = Q - 2n; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % Q;
    square = (square * square) % Q;
  }
  return result;
}
