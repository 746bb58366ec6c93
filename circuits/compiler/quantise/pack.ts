import { bitLength, type IntBuilder } from "../integer/graph.ts";
import type { Lane } from "../integer/finish.ts";

/** A public word is a field element with room for 31 bytes. */
export const WORD_BITS = 248;

/** Lane 0 of the first output word: bit 0 domain violated, bit 1 saturated, bit 2 tie uncertain. */
export const STATUS_BITS = 8;

export interface LaneSource {
  readonly tensor: string;
  readonly index: number;
  readonly node: number;
  readonly e: number;
  readonly kind: Lane["kind"];
}

/** Lays values side by side into words, low bits first; no lane crosses a word. */
export function packLanes(int: IntBuilder, sources: readonly LaneSource[]): Lane[] {
  let word = 0;
  let shift = 0;
  return sources.map((s) => {
    const { lo, hi } = int.at(s.node);
    const w = s.kind === "status" ? STATUS_BITS : Math.max(1, bitLength(hi - lo));
    if (w > WORD_BITS) throw new RangeError(`a lane of ${w} bits does not fit a word`);
    if (shift + w > WORD_BITS) {
      word += 1;
      shift = 0;
    }
    const lane: Lane = { ...s, word, shift, w, lo };
    shift += w;
    return lane;
  });
}

export const wordCount = (lanes: readonly Lane[]): number => lanes.reduce((n, l) => Math.max(n, l.word + 1), 0);

/** The words for given lane values: what the contract and the client compute too. */
export function packWords(lanes: readonly Lane[], value: (lane: Lane) => bigint): bigint[] {
  const words = new Array<bigint>(wordCount(lanes)).fill(0n);
  for (const l of lanes) {
    const v = value(l) - l.lo;
    if (v < 0n || v >> BigInt(l.w) !== 0n) throw new RangeError(`lane ${l.tensor}[${l.index}] holds ${v}, width ${l.w}`);
    words[l.word] = (words[l.word] as bigint) + (v << BigInt(l.shift));
  }
  return words;
}
