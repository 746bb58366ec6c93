/** Reads circom's r1cs file: rows of A * B = C over the scalar field. */
import { R, readScalar } from "./field.ts";
import { openSection, readSection, readSections, SetupFileError } from "./sections.ts";

/** Which of a row's three linear forms a term belongs to. */
export type Form = 0 | 1 | 2;
export const A: Form = 0;
export const B: Form = 1;
export const C: Form = 2;

export interface R1cs {
  path: string;
  wires: number;
  outputs: number;
  publicInputs: number;
  /** Outputs and public inputs: wires 1..publics, in this order, are a proof's public signals. */
  publics: number;
  rows: number;
}

/** The header; rows stay in the file until forEachTerm walks them. */
export function readR1cs(path: string): R1cs {
  const sections = readSections(path, "r1cs");
  const head = readSection(path, sections, 1);
  if (head.length < 64) throw new SetupFileError(`${path}: the header is cut off`);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (view.getUint32(0, true) !== 32 || readScalar(view, 4) !== R) throw new SetupFileError(`${path}: not over the BN254 scalar field`);
  const outputs = view.getUint32(40, true);
  const publicInputs = view.getUint32(44, true);
  return {
    path,
    wires: view.getUint32(36, true),
    outputs,
    publicInputs,
    publics: outputs + publicInputs,
    rows: view.getUint32(60, true),
  };
}

export interface Term {
  form: Form;
  row: number;
  wire: number;
  coefficient: bigint;
}

/** Every term once, in the file's order; holds `chunkBytes` of the file at a time. */
export function* termsOf(r1cs: R1cs, chunkBytes?: number): Generator<Term> {
  const reader = openSection(r1cs.path, readSections(r1cs.path, "r1cs"), 2, chunkBytes);
  try {
    for (let row = 0; row < r1cs.rows; row++) {
      for (const form of [A, B, C]) {
        for (let terms = reader.take(4).getUint32(0, true); terms > 0; terms--) {
          const term = reader.take(36);
          const wire = term.getUint32(0, true);
          if (wire >= r1cs.wires) throw new SetupFileError(`${r1cs.path}: row ${row} names wire ${wire} of ${r1cs.wires}`);
          yield { form, row, wire, coefficient: readScalar(term, 4) };
        }
      }
    }
    if (reader.left > 0) throw new SetupFileError(`${r1cs.path}: ${reader.left} bytes after the last row`);
  } finally {
    reader.close();
  }
}

/** log2 of the evaluation domain: rows, one more for each public signal and one for the constant wire. */
export function domainExponent(r1cs: R1cs): number {
  return Math.max(1, Math.ceil(Math.log2(r1cs.rows + r1cs.publics + 1)));
}
