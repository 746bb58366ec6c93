import { header, sponge, type Algebra } from "../hash/sponge.ts";
import type { IntGraph } from "../integer/finish.ts";
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

export const spongeHeader = (graph: IntGraph): bigint => header(graph.inputs.length, graph.inputs.reduce((n, l) => n + l.w, 0));

const constant = (c: bigint): Form => ({ terms: new Map(), c });
const single = (wire: number): Form => ({ terms: new Map([[wire, 1n]]), c: 0n });

/** Rows of the input commitment. The first wire is the salt, then come the packed words. */
export function spongeRows(graph: IntGraph, wordForm: (word: number) => Form): SpongeRows {
  const rows: RowSpec[] = [];
  let next = graph.wires;
  const salt = single(next++);
  const words = Array.from({ length: wordCount(graph.inputs) }, () => single(next++));
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
  const hash = sponge(alg, spongeHeader(graph), salt, words);
  return { wires: next - graph.wires, rows, hash };
}
