/** One linear combination: wire index and coefficient, by ascending wire. */
export type Combination = [number, bigint][];
export interface Row {
  readonly a: Combination;
  readonly b: Combination;
  readonly c: Combination;
}

export interface R1cs {
  readonly prime: bigint;
  readonly wires: number;
  readonly outputs: number;
  readonly publicInputs: number;
  readonly privateInputs: number;
  readonly rows: Row[];
}

function little(bytes: Uint8Array): bigint {
  let v = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) v = (v << 8n) | BigInt(bytes[i] as number);
  return v;
}

/** Reads the binary format that circom writes. */
export function readR1cs(bytes: Uint8Array): R1cs {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== 0x73633172) throw new TypeError("not an r1cs file");
  const sections = new Map<number, number>();
  let at = 12;
  for (let i = 0; i < view.getUint32(8, true); i++) {
    sections.set(view.getUint32(at, true), at + 12);
    at += 12 + Number(view.getBigUint64(at + 4, true));
  }
  const header = sections.get(1);
  const body = sections.get(2);
  if (header === undefined || body === undefined) throw new TypeError("r1cs file lacks a section");
  const width = view.getUint32(header, true);
  const prime = little(bytes.subarray(header + 4, header + 4 + width));
  const field = header + 4 + width;
  const count = view.getUint32(field + 24, true);
  let p = body;
  const small = new Map<string, bigint>();
  const combination = (): Combination => {
    const n = view.getUint32(p, true);
    p += 4;
    const list: Combination = new Array<[number, bigint]>(n);
    for (let i = 0; i < n; i++) {
      const wire = view.getUint32(p, true);
      const raw = bytes.subarray(p + 4, p + 4 + width);
      const key = String.fromCharCode(...raw);
      let value = small.get(key);
      if (value === undefined) {
        value = little(raw);
        small.set(key, value);
      }
      list[i] = [wire, value];
      p += 4 + width;
    }
    return list;
  };
  const rows: Row[] = new Array<Row>(count);
  for (let i = 0; i < count; i++) rows[i] = { a: combination(), b: combination(), c: combination() };
  return {
    prime,
    wires: view.getUint32(field, true),
    outputs: view.getUint32(field + 4, true),
    publicInputs: view.getUint32(field + 8, true),
    privateInputs: view.getUint32(field + 12, true),
    rows,
  };
}

/** Witness index by signal name ("main.w[3]"); -1 where circom dropped the signal. */
export function readSym(text: string): Map<string, number> {
  const out = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, index, , name] = line.split(",");
    if (name !== undefined) out.set(name.trim(), Number(index));
  }
  return out;
}

/** First row that a witness does not satisfy, or -1. */
export function violatedRow(r1cs: R1cs, witness: readonly bigint[]): number {
  const P = r1cs.prime;
  const value = (list: Combination): bigint => list.reduce((sum, [wire, k]) => sum + k * (witness[wire] as bigint), 0n) % P;
  return r1cs.rows.findIndex((row) => (value(row.a) * value(row.b) - value(row.c)) % P !== 0n);
}
