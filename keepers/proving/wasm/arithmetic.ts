/**
 * BN254 in WebAssembly as the threads of the prover use it: ffjavascript's module (snarkjs's own arithmetic), one instance and one
 * memory per thread. Numbers are pointers into that memory; field elements and points lie in Montgomery form, little-endian.
 */
import { writeScalar } from "../../../circuits/setup/field.ts";

type Call = (...pointers: number[]) => number;

export interface Arithmetic {
  call: Readonly<Record<string, Call>>;
  memory: WebAssembly.Memory;
  /** Fresh memory behind everything that is there; never freed. Views of the memory that were taken before are void. */
  grow(bytes: number): number;
  /** A field element of the scalar field, in Montgomery form. */
  constant(value: bigint): number;
}

const PAGE = 65_536;
export const FIELD = 32;

export async function openArithmetic(module: WebAssembly.Module): Promise<Arithmetic> {
  // What the module lays out for itself ends within these pages.
  const memory = new WebAssembly.Memory({ initial: 25 });
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  const call = instance.exports as Record<string, Call>;
  let [next, end] = [0, 0];
  const grow = (bytes: number): number => {
    if (next + bytes > end) {
      next = memory.grow(Math.ceil(bytes / PAGE)) * PAGE;
      end = memory.buffer.byteLength;
    }
    const at = next;
    next += bytes;
    return at;
  };
  const constant = (value: bigint): number => {
    const at = grow(FIELD);
    writeScalar(new DataView(memory.buffer), at, value);
    call.frm_toMontgomery!(at, at);
    return at;
  };
  return { call, memory, grow, constant };
}

export interface Group {
  add: Call;
  addMixed: Call;
  subMixed: Call;
  double: Call;
  zero: Call;
  /** Bytes of a point as it stands in a key, and as it is summed up. */
  affine: number;
  jacobian: number;
}

export function groupOf({ call }: Arithmetic, index: 1 | 2): Group {
  const named = (name: string) => call[`g${index}m_${name}`]!;
  return { add: named("add"), addMixed: named("addMixed"), subMixed: named("subMixed"), double: named("double"), zero: named("zero"), affine: 64 * index, jacobian: 96 * index };
}
