/**
 * What can be said of a key's or a powers-of-tau file from its directory and header alone, in milliseconds and however large it is:
 * that it is whole, of the right kind and large enough. Hours of checking should not end in a complaint about that.
 */
import { Q, readScalar } from "./field.ts";
import { domainExponent } from "./r1cs.ts";
import type { R1cs } from "./r1cs.ts";
import { readSection, readSections, SetupFileError } from "./sections.ts";
import { SetupBroken } from "./setup-broken.ts";
import { readZkeyHeader } from "./zkey.ts";

const G1_BYTES = 64;
const G2_BYTES = 128;
/** Sections of a ptau file that `prepare phase2` adds: Lagrange bases of tau in G1 and G2, of alpha tau and beta tau. */
const PREPARED = [12, 13, 14, 15];

export interface PtauHeader {
  /** The file serves circuits with up to 2^power rows. */
  power: number;
  prepared: boolean;
}

/** @throws SetupFileError for a file that is no ptau file of BN254, or not whole. */
export function readPtauHeader(path: string): PtauHeader {
  const sections = readSections(path, "ptau");
  const head = readSection(path, sections, 1);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length !== 44 || view.getUint32(0, true) !== 32 || readScalar(view, 4) !== Q) throw new SetupFileError(`${path}: not powers of tau of BN254`);
  const power = view.getUint32(36, true);
  const prepared = PREPARED.every((type) => sections.has(type));
  const size = 2 ** power;
  const expected: [type: number, bytes: number][] = [
    [2, (2 * size - 1) * G1_BYTES],
    [3, size * G2_BYTES],
    [4, size * G1_BYTES],
    [5, size * G1_BYTES],
    [6, G2_BYTES],
  ];
  if (prepared) expected.push([12, (4 * size - 1) * G1_BYTES], [13, (2 * size - 1) * G2_BYTES], [14, (2 * size - 1) * G1_BYTES], [15, (2 * size - 1) * G1_BYTES]);
  for (const [type, bytes] of expected) {
    const found = sections.get(type)?.length;
    if (found !== bytes) throw new SetupFileError(`${path}: section ${type} has ${found ?? "no"} bytes, powers up to 2^${power} need ${bytes}`);
  }
  return { power, prepared };
}

/** @throws SetupBroken `PTAU_FILE`, `PTAU_NOT_PREPARED`, `PTAU_TOO_SMALL` */
export function checkPtau(path: string, circuit: R1cs): void {
  const { power, prepared } = named("PTAU_FILE", () => readPtauHeader(path));
  const needed = domainExponent(circuit);
  if (!prepared) throw new SetupBroken("PTAU_NOT_PREPARED", `${path} is not prepared for phase 2: "npx snarkjs powersoftau prepare phase2 ${path} PREPARED.ptau", or take the publisher's prepared file.`);
  if (power < needed) throw new SetupBroken("PTAU_TOO_SMALL", `${path} has powers up to 2^${power}, and the circuit's domain is 2^${needed}: take a file of at least 2^${needed}.`);
}

/** @throws SetupBroken `ZKEY_FILE`, `ZKEY_LAYOUT` */
export function checkZkey(path: string, circuit: R1cs): void {
  const { wires, publics, domainSize, sections } = named("ZKEY_FILE", () => ({ ...readZkeyHeader(path), sections: readSections(path, "zkey") }));
  const fail = (what: string) => new SetupBroken("ZKEY_LAYOUT", `${path} is not a key of this circuit: ${what}.`);
  const size = 2 ** domainExponent(circuit);
  if (wires !== circuit.wires) throw fail(`it has ${wires} wires, the circuit ${circuit.wires}`);
  if (domainSize !== size) throw fail(`its domain has ${domainSize} points, the circuit's ${size}`);
  const expected: [type: number, what: string, bytes: number][] = [
    [5, "A", wires * G1_BYTES],
    [6, "B in G1", wires * G1_BYTES],
    [7, "B in G2", wires * G2_BYTES],
    [8, "private wires", (wires - publics - 1) * G1_BYTES],
    [9, "quotient", domainSize * G1_BYTES],
  ];
  for (const [type, what, bytes] of expected) {
    const found = sections.get(type)?.length;
    if (found !== bytes) throw fail(`section ${type} (${what}) has ${found ?? "no"} bytes, not ${bytes}`);
  }
}

/** A file that cannot be read is a link that does not hold, and has a code like the others. */
export function named<T>(code: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SetupFileError) throw new SetupBroken(code, error.message);
    throw error;
  }
}
