/**
 * Byte-pair encoding, learnt from the corpus. Every text has tokens (bytes are the last resort) and comes back unchanged,
 * so token counts are real counts: what usage states and what a tariff charges.
 */
export type Merge = readonly [left: number, right: number];

/** Ids below this are bytes, above it merges in the order in which they were learnt. */
const BYTES = 256;

/** A word with the space before it, up to three digits, a run of signs, or white space. */
const PIECES = / ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+/gu;

const text = new TextEncoder();

export interface Tokenizer {
  readonly merges: readonly Merge[];
  /** Number of ids. */
  readonly size: number;
  encode(text: string): number[];
  bytesOf(token: number): Uint8Array;
  decode(tokens: readonly number[]): string;
}

/** Joins the most frequent pair again and again; equal counts are decided by the smaller ids, so the result is one. */
export function learnMerges(corpus: string, count: number): Merge[] {
  const words = new Map<string, number>();
  for (const [piece] of corpus.matchAll(PIECES)) words.set(piece, (words.get(piece) ?? 0) + 1);
  const entries = [...words].map(([word, times]) => ({ symbols: [...text.encode(word)], times }));
  const pairs = new Map<number, number>();
  const tally = (symbols: readonly number[], times: number): void => {
    for (let i = 1; i < symbols.length; i++) {
      const key = pairKey(symbols[i - 1]!, symbols[i]!);
      pairs.set(key, (pairs.get(key) ?? 0) + times);
    }
  };
  for (const { symbols, times } of entries) tally(symbols, times);

  const merges: Merge[] = [];
  while (merges.length < count) {
    let best = -1;
    let most = 1; // a pair that occurs once teaches nothing
    for (const [key, times] of pairs) {
      if (times > most || (times === most && most > 1 && key < best)) [best, most] = [key, times];
    }
    if (best < 0) break;
    const merge: Merge = [Math.floor(best / 65_536), best % 65_536];
    const id = BYTES + merges.length;
    merges.push(merge);
    for (const entry of entries) {
      const joined = join(entry.symbols, merge, id);
      if (joined.length === entry.symbols.length) continue;
      tally(entry.symbols, -entry.times);
      tally(joined, entry.times);
      entry.symbols = joined;
    }
  }
  return merges;
}

export function tokenizer(merges: readonly Merge[]): Tokenizer {
  const ranks = new Map(merges.map(([left, right], rank) => [pairKey(left, right), rank]));
  const bytes: Uint8Array[] = Array.from({ length: BYTES }, (_, byte) => Uint8Array.of(byte));
  for (const [left, right] of merges) bytes.push(Uint8Array.of(...bytes[left]!, ...bytes[right]!));
  const cache = new Map<string, number[]>();

  function encodePiece(piece: string): number[] {
    const known = cache.get(piece);
    if (known) return known;
    let symbols = [...text.encode(piece)];
    for (;;) {
      let rank = Number.POSITIVE_INFINITY;
      for (let i = 1; i < symbols.length; i++) rank = Math.min(rank, ranks.get(pairKey(symbols[i - 1]!, symbols[i]!)) ?? rank);
      if (!Number.isFinite(rank)) break;
      symbols = join(symbols, merges[rank]!, BYTES + rank);
    }
    if (cache.size < 20_000 && piece.length < 64) cache.set(piece, symbols);
    return symbols;
  }

  return {
    merges,
    size: bytes.length,
    encode(input) {
      const tokens: number[] = [];
      // Long runs are cut: the work on one piece grows with the square of its length.
      for (const [piece] of input.matchAll(PIECES)) {
        for (let at = 0; at < piece.length; ) {
          let end = Math.min(at + 256, piece.length);
          if (end < piece.length && /[\uD800-\uDBFF]/.test(piece[end - 1]!)) end--; // never between the halves of a character
          for (const token of encodePiece(piece.slice(at, end))) tokens.push(token);
          at = end;
        }
      }
      return tokens;
    },
    bytesOf: (token) => bytes[token] ?? new Uint8Array(),
    decode: (tokens) => new TextDecoder().decode(Buffer.concat(tokens.map((token) => bytes[token] ?? new Uint8Array()))),
  };
}

function pairKey(left: number, right: number): number {
  return left * 65_536 + right;
}

function join(symbols: readonly number[], [left, right]: Merge, id: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      out.push(id);
      i++;
    } else out.push(symbols[i]!);
  }
  return out;
}
