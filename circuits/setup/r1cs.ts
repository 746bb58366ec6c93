/** Reads circom's r1cs file: rows of A * B = C over the scalar field. */
import { R, readScalar } from "./field.ts";
import { readSection, readSections, SetupFileError } from "./sections.ts";

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
  constraints: Buffer;
}

export function readR1cs(path: string): R1cs {
  const sections = readSections(path, "r1cs");
  const head = readSection(path, sections, 1);
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
    constraints: readSection(path, sections, 2),
  };
}

/** Calls `visit` once per term, in the file's order. */
export function forEachTerm(r1cs: R1cs, visit: (form: Form, row: number, wire: number, coefficient: bigint) => void): void {
  const { constraints } = r1cs;
  const view = new DataView(constraints.buffer, constraints.byteOffset, constraints.byteLength);
  let offset = 0;
  for (let row = 0; row < r1cs.rows; row++) {
    for (const form of [A, B, C]) {
      const terms = view.getUint32(offset, true);
      offset += 4;
      for (let i = 0; i < terms; i++) {
        const wire = view.getUint32(offset, true);
        if (wire >= r1cs.wires) throw new SetupFileError(`${r1cs.path}: row ${row} names wire ${wire} of ${r1cs.wires}`);
        visit(form, row, wire, readScalar(view, offset + 4));
        offset += 36;
      }
    }
  }
  if (offset !== constraints.byteLength) throw new SetupFileError(`${r1cs.path}: ${constraints.byteLength - offset} bytes after the last row`);
}

/** log2 of the evaluation domain: rows, one more for each public signal and one for the constant wire. */
export function domainExponent(r1cs: R1cs): number {
  return Math.max(1, Math.ceil(Math.log2(r1cs.rows + r1cs.publics + 1)));
}
