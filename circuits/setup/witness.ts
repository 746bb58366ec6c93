/** Writes a witness in the wtns format that provers read. */
import { R, readScalar, writeScalar } from "./field.ts";
import { readSection, readSections, SetupFileError, writeSections } from "./sections.ts";

/** `values[0]` is the constant one, then outputs, public inputs, the rest: the order of the r1cs. */
export function writeWitness(path: string, values: readonly bigint[]): void {
  if (values[0] !== 1n) throw new SetupFileError("the first wire of a witness is one");
  const header = new Uint8Array(40);
  const headerView = new DataView(header.buffer);
  headerView.setUint32(0, 32, true);
  writeScalar(headerView, 4, R);
  headerView.setUint32(36, values.length, true);
  const body = new Uint8Array(values.length * 32);
  const view = new DataView(body.buffer);
  values.forEach((value, wire) => {
    if (value < 0n || value >= R) throw new SetupFileError(`wire ${wire} is not below the field's order`);
    writeScalar(view, wire * 32, value);
  });
  writeSections(path, "wtns", 2, [
    [1, [header]],
    [2, [body]],
  ]);
}

/** How many wires a witness file holds; cheap, for a check before an expensive proof. */
export function witnessLength(path: string): number {
  return readSection(path, readSections(path, "wtns"), 1).readUInt32LE(36);
}

/** The first `count` wires: one, then outputs and public inputs. */
export function readWitness(path: string, count: number): bigint[] {
  const body = readSection(path, readSections(path, "wtns"), 2);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (body.length < count * 32) throw new SetupFileError(`${path}: fewer than ${count} wires`);
  return Array.from({ length: count }, (_, wire) => readScalar(view, wire * 32));
}
