/** Writes and reads Groth16 proving keys in snarkjs's zkey format. */
import { domainExponent, forEachTerm } from "./r1cs.ts";
import type { R1cs } from "./r1cs.ts";
import { Q, R, readScalar, writeScalar } from "./field.ts";
import { readSection, readSections, SetupFileError, writeSections } from "./sections.ts";

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

/** Points as they stand in the file. */
export interface KeyPoints {
  alpha1: Uint8Array;
  beta1: Uint8Array;
  beta2: Uint8Array;
  gamma2: Uint8Array;
  delta1: Uint8Array;
  delta2: Uint8Array;
  ic: Uint8Array;
  a: Uint8Array;
  b1: Uint8Array;
  b2: Uint8Array;
  l: Uint8Array;
  h: Uint8Array;
}

/** `circuitHash` and contributions are what phase 2 verification walks; a directly made key has none. */
export function writeZkey(path: string, r1cs: R1cs, points: KeyPoints, circuitHash = new Uint8Array(64)): void {
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
  writeSections(path, "zkey", 1, [
    [1, [protocol]],
    [2, [header, alpha1, beta1, beta2, gamma2, delta1, delta2]],
    [3, [points.ic]],
    [9, [points.h]],
    [4, [coefficients(r1cs)]],
    [8, [points.l]],
    [5, [points.a]],
    [6, [points.b1]],
    [7, [points.b2]],
    [10, [circuitHash, Buffer.alloc(4)]],
  ]);
}

/** Terms of A and B, row by row, then the rows that bind the public wires. */
function coefficients(r1cs: R1cs): Uint8Array {
  let count = r1cs.publics + 1;
  forEachTerm(r1cs, (form) => {
    if (form !== 2) count++;
  });
  const bytes = new Uint8Array(4 + count * 44);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, count, true);
  let offset = 4;
  const put = (form: number, row: number, wire: number, coefficient: bigint) => {
    view.setUint32(offset, form, true);
    view.setUint32(offset + 4, row, true);
    view.setUint32(offset + 8, wire, true);
    writeScalar(view, offset + 12, (coefficient * COEFFICIENT_SCALE) % R);
    offset += 44;
  };
  forEachTerm(r1cs, (form, row, wire, coefficient) => {
    if (form !== 2) put(form, row, wire, coefficient);
  });
  for (let wire = 0; wire <= r1cs.publics; wire++) put(0, r1cs.rows + wire, wire, 1n);
  return bytes;
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
