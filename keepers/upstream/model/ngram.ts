/**
 * An interpolated n-gram model (Witten-Bell) over tokens, whose counts remember the section that they came from: sections
 * that match the question weigh more.
 */
export interface TrainingText {
  /** Number of its section. */
  readonly section: number;
  readonly tokens: readonly number[];
}

interface Occurrence {
  readonly next: number;
  readonly section: number;
}

export interface NgramModel {
  readonly vocabulary: number;
  /** Probabilities of the next token after `context`, given a weight for each section. */
  next(context: readonly number[], weights: Float64Array): Float64Array;
}

/** How much trust goes to shorter contexts: 1 is Witten-Bell as published, less stays closer to the text. */
const BACK_OFF = 0.5;

export function trainNgram(texts: readonly TrainingText[], order: number, vocabulary: number): NgramModel {
  const contexts = new Map<string, Occurrence[]>();
  for (const { section, tokens } of texts) {
    for (let at = 1; at < tokens.length; at++) {
      const seen: Occurrence = { next: tokens[at]!, section };
      for (let length = 0; length < order && length <= at; length++) {
        const key = contextKey(tokens, at, length);
        const list = contexts.get(key);
        if (list) list.push(seen);
        else contexts.set(key, [seen]);
      }
    }
  }

  return {
    vocabulary,
    next(context, weights) {
      let p = new Float64Array(vocabulary).fill(1 / vocabulary);
      for (let length = 0; length < order && length <= context.length; length++) {
        const seen = contexts.get(contextKey(context, context.length, length));
        if (!seen) break; // what follows a longer context followed this one too
        const counts = new Float64Array(vocabulary);
        let total = 0;
        let kinds = 0;
        for (const { next, section } of seen) {
          const weight = weights[section]!;
          if (counts[next] === 0) kinds += Math.min(1, weight);
          counts[next]! += weight;
          total += weight;
        }
        const shorter = BACK_OFF * kinds;
        p = counts.map((count, token) => (count + shorter * p[token]!) / (total + shorter));
      }
      return p;
    },
  };
}

function contextKey(tokens: readonly number[], end: number, length: number): string {
  return tokens.slice(end - length, end).join(" ");
}
