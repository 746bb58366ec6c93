/**
 * The embedded language model: a demonstration, trained by the repository itself in about a second from `corpus.md`.
 *
 * It is a real language model in the plain sense: a probability for each next token, learnt from text, sampled with a
 * temperature and a seed, with a real tokenizer. It is not a capable one: it continues its corpus, near the question.
 */
import { readFileSync } from "node:fs";

import type { Hex } from "viem";
import { keccak256 } from "viem";

import { exp, log } from "../../../models/nn/math.ts";
import { Random } from "../../../models/nn/random.ts";
import { fatal } from "../../errors/index.ts";
import { trainNgram } from "./ngram.ts";
import { learnMerges, tokenizer } from "./tokenizer.ts";
import type { Merge, Tokenizer } from "./tokenizer.ts";
import { topicWeights } from "./topics.ts";

export const MODEL_NAME = "og-demo-lm";
const FORMAT = "og-ngram-1";
const ORDER = 7;
const MERGES = 1_200;
/** Only the likeliest tokens are sampled: smoothing leaves a little chance on each of a thousand others. */
const CANDIDATES = 40;
/** ... and of these only such as have at least this part of the likeliest one's chance. */
const FLOOR = 1e-4;

/** What is published: everything that the model is, without the corpus' formatting. */
interface Artifact {
  readonly format: typeof FORMAT;
  readonly order: number;
  readonly merges: readonly Merge[];
  readonly sections: readonly { readonly title: string; readonly paragraphs: readonly (readonly number[])[] }[];
}

export interface Sampling {
  /** 0 takes the likeliest token each time. */
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
  readonly maxTokens: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
}

export interface LanguageModel {
  readonly name: string;
  /** keccak-256 of the artifact: what a registry holds. */
  readonly hash: Hex;
  readonly artifact: Uint8Array;
  readonly tokenizer: Tokenizer;
  readonly contextLength: number;
  /** An answer to a question, token by token; ends when the model ends it or at `maxTokens`. */
  answer(question: string, sampling: Sampling): Generator<number, "stop" | "length">;
  /** A continuation of a text. */
  continue(prompt: string, sampling: Sampling): Generator<number, "stop" | "length">;
  /** Negative base-2 logarithm of a text's probability, in all: for measuring. */
  bits(text: string): number;
}

export function corpusText(): string {
  return readFileSync(new URL("./corpus.md", import.meta.url), "utf8");
}

/** Trains from a corpus of `# heading` sections with paragraphs between blank lines. */
export function trainLanguageModel(corpus: string = corpusText(), merges = MERGES, order = ORDER): LanguageModel {
  const sections = corpus
    .split(/^# /m)
    .slice(1)
    .map((section) => {
      const [title = "", ...rest] = section.split("\n");
      const paragraphs = rest.join("\n").split(/\n\s*\n/).map((p) => p.replace(/\s+/g, " ").trim());
      return { title, paragraphs: paragraphs.filter((p) => p.length > 0) };
    });
  const learnt = learnMerges(sections.flatMap((s) => s.paragraphs).join("\n"), merges);
  const tokens = tokenizer(learnt);
  const artifact: Artifact = {
    format: FORMAT,
    order,
    merges: learnt,
    sections: sections.map(({ title, paragraphs }) => ({ title, paragraphs: paragraphs.map((p) => tokens.encode(p)) })),
  };
  return loadLanguageModel(new TextEncoder().encode(JSON.stringify(artifact)));
}

export function loadLanguageModel(bytes: Uint8Array): LanguageModel {
  const artifact = JSON.parse(new TextDecoder().decode(bytes)) as Artifact;
  if (artifact.format !== FORMAT) throw fatal("upstream.model", `A language model of format ${FORMAT} is needed.`);
  const tokens = tokenizer(artifact.merges);
  // Two ids beyond the tokenizer's: no text contains them.
  const start = tokens.size;
  const end = tokens.size + 1;
  const texts = artifact.sections.flatMap(({ paragraphs }, section) =>
    paragraphs.map((paragraph) => ({ section, tokens: [start, ...paragraph, end] })),
  );
  const ngram = trainNgram(texts, artifact.order, tokens.size + 2);
  const weigh = topicWeights(
    artifact.sections.map(({ title, paragraphs }) => ({ title, text: paragraphs.map((p) => tokens.decode(p)).join("\n") })),
  );

  function* generate(context: number[], question: string, sampling: Sampling): Generator<number, "stop" | "length"> {
    const random = new Random(sampling.seed);
    const weights = weigh(question);
    const used = new Map<number, number>();
    for (let count = 0; count < sampling.maxTokens; count++) {
      const token = sample(ngram.next(context.slice(-artifact.order), weights), sampling, used, random);
      if (token === end || token === start) return "stop";
      yield token;
      context.push(token);
      used.set(token, (used.get(token) ?? 0) + 1);
    }
    return "length";
  }

  return {
    name: MODEL_NAME,
    hash: keccak256(bytes),
    artifact: bytes,
    tokenizer: tokens,
    contextLength: 8_192,
    answer: (question, sampling) => generate([start], question, sampling),
    continue: (prompt, sampling) => generate([start, ...tokens.encode(prompt)], prompt, sampling),
    bits(text) {
      const even = new Float64Array(artifact.sections.length).fill(1);
      const sequence = [start, ...tokens.encode(text), end];
      let sum = 0;
      for (let at = 1; at < sequence.length; at++) {
        sum -= log(ngram.next(sequence.slice(Math.max(0, at - artifact.order), at), even)[sequence[at]!]!) / Math.LN2;
      }
      return sum;
    },
  };
}

function sample(p: Float64Array, sampling: Sampling, used: ReadonlyMap<number, number>, random: Random): number {
  const { temperature, topP, presencePenalty = 0, frequencyPenalty = 0 } = sampling;
  for (const [token, count] of used) p[token]! *= exp(-presencePenalty - frequencyPenalty * count);
  const floor = p.reduce((a, b) => (a > b ? a : b)) * FLOOR;
  const likely: number[] = [];
  for (let token = 0; token < p.length; token++) if (p[token]! >= floor) likely.push(token);
  const order = likely.sort((a, b) => p[b]! - p[a]! || a - b).slice(0, CANDIDATES);
  if (temperature === 0) return order[0]!;
  const top = log(p[order[0]!]!);
  const mass = order.map((token) => exp((log(p[token]!) - top) / temperature));
  const whole = mass.reduce((a, b) => a + b, 0);
  // The smallest set that holds `topP` of the chance, then one of it.
  let kept = 0;
  let last = 0;
  while (last < mass.length && (last === 0 || kept < topP * whole)) kept += mass[last++]!;
  let point = random.uniform() * kept;
  for (let i = 0; i < last; i++) {
    point -= mass[i]!;
    if (point < 0) return order[i]!;
  }
  return order[last - 1]!;
}
