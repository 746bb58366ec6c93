import { expect } from "chai";

import { compileModel } from "../../../circuits/compiler/index.ts";
import { commitmentRows, commitmentSize } from "../../../circuits/compiler/emit/sponge.ts";
import { evaluateNodes, integerProgram } from "../../../circuits/compiler/integer/evaluate.ts";
import type { IntNode } from "../../../circuits/compiler/integer/graph.ts";
import { dyadic, lowExponent, scaleRound, toReal } from "../../../circuits/compiler/quantise/dyadic.ts";
import { seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { recurrent } from "../../../circuits/models/zoo.ts";

/** What takes a short cut through doubles, next to the long way in whole numbers. */
describe("circuits/compiler: short cuts agree with exact arithmetic", () => {
  const next = seeded(5);
  const pick = (): number => (next() - 0.5) * 2 ** Math.floor(next() * 140 - 70);
  const edges = [0, 0.5, -0.5, 1.5, -1.5, 0.49999999999999994, -0.49999999999999994, 2 ** 52, 2 ** 52 - 0.5, -(2 ** 53), 2 ** 53 - 1, 1e300, 5e-324, -5e-324, 2 ** -1022, 1 + 2 ** -52];
  const numbers = [...edges, ...Array.from({ length: 2_000 }, pick)];

  /** floor(m 2^(d - e) + 1/2) in rationals. */
  const exactRound = (v: number, e: number): bigint => {
    const d = dyadic(v);
    const [up, down] = [BigInt(Math.max(0, d.e - e)), BigInt(Math.max(0, e - d.e))];
    const twice = (d.m << up) * 2n + (1n << down);
    return twice >> (down + 1n);
  };

  it("rounding a double to a power of two", () => {
    for (const v of numbers) for (const e of [0, 3, -7, -30, 60, -80, -1000, 900]) expect(scaleRound(v, e), `${v} at 2^${e}`).to.equal(exactRound(v, e));
  });

  it("the lowest set bit of a double", () => {
    for (const v of numbers) expect(lowExponent(v), String(v)).to.equal(v === 0 ? Infinity : dyadic(v).e);
  });

  it("whole numbers of up to 53 bits are doubles without rounding, larger ones within one part in 2^52", () => {
    for (const v of numbers.filter((x) => Math.abs(x) < 2 ** 500)) {
      const n = exactRound(v, -90);
      for (const e of [0, -40, 17]) {
        const got = toReal(n, e);
        const off = exactRound(got, e) - n;
        expect(Math.abs(Number(off)) <= (n < 1n << 53n && n > -(1n << 53n) ? 0 : Math.abs(Number(n)) * 2 ** -52), `${n} 2^${e}`).to.equal(true);
      }
    }
  });

  it("a program that is laid out for many runs gives every node the value of a single run, also where doubles end", () => {
    const { graph, boxes } = compileModel(recurrent("GRU", 3, 9, 3), { inputBits: 8 });
    const large = graph.nodes.map((n): IntNode => (n.op === "lin" && n.args.length > 8 ? { ...n, k: n.k.map((k, i) => (i % 3 === 0 ? k << 50n : k)) } : n));
    for (const nodes of [graph.nodes, large]) {
      const run = integerProgram({ nodes });
      for (let k = 0; k < 20; k++) {
        const x = boxes.map((b) => b.lo + BigInt(Math.floor(next() * Number(b.hi - b.lo + 1n))));
        expect(run(x)).to.deep.equal(evaluateNodes({ ...graph, nodes }, x));
      }
    }
  });

  it("the size of a commitment is that of its rows", () => {
    const lane = (word: number, index: number) => ({ tensor: "x", index, node: 0, word, shift: 0, w: 8, lo: 0n, e: 0, kind: "value" as const });
    for (const words of [1, 14, 15]) {
      const lanes = Array.from({ length: words }, (_, i) => lane(i, i));
      const made = commitmentRows(lanes, 0, () => ({ terms: new Map(), c: 0n }));
      expect(commitmentSize(lanes)).to.deep.equal({ wires: made.wires, rows: made.rows.length });
    }
  });
});
