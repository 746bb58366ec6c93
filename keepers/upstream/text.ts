/** Tokens to text as it may be sent: whole characters only, and nothing of a stop sequence. */
import type { Tokenizer } from "./model/tokenizer.ts";

export type Finish = "stop" | "length";

export interface Piece {
  readonly text: string;
  /** Tokens made so far. */
  readonly tokens: number;
}

export function* pieces(
  tokens: Generator<number, Finish>,
  { bytesOf }: Tokenizer,
  stops: readonly string[],
): Generator<Piece, Finish> {
  const decoder = new TextDecoder();
  // What may yet turn out to be the beginning of a stop sequence waits here.
  const longest = Math.max(0, ...stops.map((stop) => stop.length));
  let held = "";
  let count = 0;
  for (;;) {
    const step = tokens.next();
    if (!step.done) count++;
    held += step.done ? decoder.decode() : decoder.decode(bytesOf(step.value), { stream: true });
    const cut = Math.min(...stops.map((stop) => held.indexOf(stop)).map((at) => (at < 0 ? Number.POSITIVE_INFINITY : at)));
    if (Number.isFinite(cut)) {
      yield { text: held.slice(0, cut), tokens: count };
      return "stop";
    }
    if (step.done) {
      if (held) yield { text: held, tokens: count };
      return step.value;
    }
    const safe = longest === 0 ? held.length : held.length - suspicious(held, stops, longest);
    yield { text: held.slice(0, safe), tokens: count };
    held = held.slice(safe);
  }
}

/** Length of the longest end of `text` that begins a stop sequence. */
function suspicious(text: string, stops: readonly string[], longest: number): number {
  for (let length = Math.min(longest - 1, text.length); length > 0; length--) {
    const end = text.slice(-length);
    if (stops.some((stop) => stop.startsWith(end))) return length;
  }
  return 0;
}
