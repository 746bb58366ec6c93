/**
 * Multiplies a generator by many scalars: a table of all window multiples, then one mixed addition per window.
 *
 * A child process of fixed-base.ts (not a worker thread: a dependency of ffjavascript takes any worker thread for its own).
 * The additions are ffjavascript's WebAssembly; memory above what that library has laid out for itself is ours.
 */
import { buildBn128 } from "ffjavascript";

export interface Job {
  group: 1 | 2;
  window: number;
  /** 32 bytes each, little-endian. The answer is the points: affine, Montgomery form, little-endian. */
  scalars: Uint8Array;
}

interface Table {
  pointer: number;
  window: number;
}

const PAGE = 65_536;
const SCALAR_BITS = 254;
const CHUNK = 2_048;

const curve = await buildBn128(true);
const { memory, instance, pG1gen, pG2gen } = curve.tm;
const wasm = instance.exports;
const groups = {
  1: { prefix: "g1m", generator: pG1gen, affine: 64, jacobian: 96 },
  2: { prefix: "g2m", generator: pG2gen, affine: 128, jacobian: 192 },
} as const;
const tables = new Map<string, Table>();
const scratch = grow(CHUNK * (192 + 128) + 1_024);

/** Fresh memory at the end: nothing that the library allocates can reach it. */
function grow(bytes: number): number {
  return memory.grow(Math.ceil(bytes / PAGE)) * PAGE;
}

function call(name: string, ...pointers: number[]): void {
  wasm[name]!(...pointers);
}

function tableOf(group: 1 | 2, window: number): Table {
  const key = `${group}/${window}`;
  const known = tables.get(key);
  if (known) return known;
  const { prefix, generator, affine, jacobian } = groups[group];
  const perWindow = 2 ** window - 1;
  const windows = Math.ceil(SCALAR_BITS / window);
  const sums = grow(perWindow * jacobian);
  const pointer = grow(windows * perWindow * affine);
  const base = grow(jacobian + affine);
  call(`${prefix}_copy`, generator, base);
  for (let index = 0; index < windows; index++) {
    // multiples 1..2^w - 1 of this window's base; the base itself is doubled w times for the next.
    call(`${prefix}_toAffine`, base, base + jacobian);
    call(`${prefix}_copy`, base, sums);
    for (let i = 1; i < perWindow; i++) call(`${prefix}_addMixed`, sums + (i - 1) * jacobian, base + jacobian, sums + i * jacobian);
    call(`${prefix}_batchToAffine`, sums, perWindow, pointer + index * perWindow * affine);
    for (let i = 0; i < window; i++) call(`${prefix}_double`, base, base);
  }
  const table = { pointer, window };
  tables.set(key, table);
  return table;
}

function digit(scalars: Uint8Array, offset: number, start: number, window: number): number {
  const byte = start >> 3;
  // A window of up to 13 bits touches at most three bytes.
  const bits = scalars[offset + byte]! | ((byte < 31 ? scalars[offset + byte + 1]! : 0) << 8) | ((byte < 30 ? scalars[offset + byte + 2]! : 0) << 16);
  return (bits >> (start & 7)) & (2 ** window - 1);
}

function multiply(job: Job): Uint8Array {
  const { prefix, affine, jacobian } = groups[job.group];
  const { pointer, window } = tableOf(job.group, job.window);
  const perWindow = 2 ** window - 1;
  const windows = Math.ceil(SCALAR_BITS / window);
  const { scalars } = job;
  const total = scalars.length / 32;
  const points = new Uint8Array(total * affine);
  const addMixed = wasm[`${prefix}_addMixed`]!;
  const zero = wasm[`${prefix}_zero`]!;
  const affineOut = scratch + CHUNK * jacobian;
  for (let first = 0; first < total; first += CHUNK) {
    const count = Math.min(CHUNK, total - first);
    for (let i = 0; i < count; i++) {
      const sum = scratch + i * jacobian;
      zero(sum);
      for (let index = 0; index < windows; index++) {
        const value = digit(scalars, (first + i) * 32, index * window, window);
        if (value !== 0) addMixed(sum, pointer + (index * perWindow + value - 1) * affine, sum);
      }
    }
    call(`${prefix}_batchToAffine`, scratch, count, affineOut);
    // A view is taken anew each time: growing the memory detaches older ones.
    points.set(new Uint8Array(memory.buffer, affineOut, count * affine), first * affine);
  }
  return points;
}

// A parent that is gone needs no answer; the callback takes the failure to send one.
process.on("message", (job: Job) => process.send!(multiply(job), undefined, undefined, () => {}));
