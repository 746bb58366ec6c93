import { header, sponge, type Algebra } from "../hash/sponge.ts";
import type { IntGraph, Lane } from "../integer/finish.ts";
import { P } from "../integer/field.ts";
import { wordCount } from "../quantise/pack.ts";
import type { Form } from "./form.ts";

export interface RowSpec {
  readonly a: Form;
  readonly b: Form;
  readonly c: Form;
}

export interface SpongeRows {
  /** Wires that follow the graph's own. */
  readonly wires: number;
  /** a * b = c; linear rows have b = 1. */
  readonly rows: RowSpec[];
  readonly hash: Form;
}

/** First element of a commitment to packed lanes. */
export const lanesHeader = (lanes: readonly Lane[]): bigint => header(lanes.length, lanes.reduce((n, l) => n + l.w, 0));

export const spongeHeader = (graph: IntGraph): bigint => lanesHeader(graph.inputs);

const constant = (c: bigint): Form => ({ terms: new Map(), c });
const single = (wire: number): Form => ({ terms: new Map([[wire, 1n]]), c: 0n });

/** Rows of the input commitment; its wires follow the graph's own. */
export const spongeRows = (graph: IntGraph, wordForm: (word: number) => Form): SpongeRows => commitmentRows(graph.inputs, graph.wires, wordForm);

/** Where the wires of the output commitment start: behind those of the input's, if there is one. */
export const outputStart = (graph: IntGraph, hashedInput: boolean): number => graph.wires + (hashedInput ? commitmentSize(graph.inputs).wires : 0);

/** How many wires and rows a commitment to packed lanes takes, without making them. */
export function commitmentSize(lanes: readonly Lane[]): { wires: number; rows: number } {
  const words = wordCount(lanes);
  let made = 0;
  const one = (): undefined => void (made += 1);
  sponge<undefined>({ linear: () => undefined, product: one, wire: one }, lanesHeader(lanes), undefined, new Array<undefined>(words).fill(undefined));
  return { wires: 1 + words + made, rows: words + made };
}

/** Rows of a commitment to packed lanes. The first wire is the salt, then come the packed words. */
export function commitmentRows(lanes: readonly Lane[], start: number, wordForm: (word: number) => Form): SpongeRows {
  const rows: RowSpec[] = [];
  let next = start;
  const salt = single(next++);
  const words = Array.from({ length: wordCount(lanes) }, () => single(next++));
  words.forEach((w, i) => rows.push({ a: wordForm(i), b: constant(1n), c: w }));
  const alg: Algebra<Form> = {
    linear: (parts, c) => {
      const terms = new Map<number, bigint>();
      let k = c;
      for (const [form, f] of parts) {
        k = (k + f * form.c) % P;
        for (const [wire, v] of form.terms) terms.set(wire, ((terms.get(wire) ?? 0n) + f * v) % P);
      }
      return { terms, c: k };
    },
    product: (a, b) => {
      const out = single(next++);
      rows.push({ a, b, c: out });
      return out;
    },
    wire: (e) => {
      const out = single(next++);
      rows.push({ a: e, b: constant(1n), c: out });
      return out;
    },
  };
  const hash = sponge(alg, lanesHeader(lanes), salt, words);
  return { wires: next - start, rows, hash };
}
