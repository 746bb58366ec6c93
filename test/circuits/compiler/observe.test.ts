import { expect } from "chai";

import { compileModel, type CompileOptions } from "../../../circuits/compiler/index.ts";
import { drawInputs, observe, searchWorst, subjectOf, type Place, type Subject } from "../../../circuits/compiler/observe.ts";
import type { InputScale } from "../../../circuits/compiler/quantise/options.ts";
import { mlp, recurrent, transformerBlock } from "../../../circuits/models/zoo.ts";
import { runs } from "../../utils/deep.ts";

const direct: Place = { at: "input", jump: [0] };
const box: InputScale = { lo: 0n, hi: 15n, e: -4, whole: false };

/** The sum of its inputs, with an error that a function of them decides; a status as well. */
const subject = (count: number, error: (x: readonly bigint[]) => number, status: (x: readonly bigint[]) => bigint = () => 0n): Subject => ({
  boxes: Array.from({ length: count }, () => box), movable: count,
  reference: (x) => [[x.reduce((a, b) => a + Math.round(b * 16) / 16, 0)]],
  program: (x) => ({ status: status(x), values: [Number(x.reduce((a, b) => a + b, 0n)) / 16 + error(x)] }),
});

describe("circuits/compiler: what an empirical statement rests on", function () {
  this.timeout(240_000);

  const models: Record<string, { onnx: () => Uint8Array; options: CompileOptions }> = {
    "a recurrent network": { onnx: () => recurrent("LSTM", 3, 2, 4), options: { inputBits: 8, weightBits: 8, activationBits: 8, pieceBits: 8 } },
    "a deep network that may saturate": {
      onnx: () => mlp([16, 40, 8, 60, 4]), options: { inputBits: 5, weightBits: 6, activationBits: 5, clamp: true, inputs: { x: { lo: 0, hi: 1 } } },
    },
    "a transformer block": {
      onnx: () => transformerBlock(2, 8, 2, 8), options: { inputBits: 10, weightBits: 8, activationBits: 8, pieceBits: 8, outputBits: 72, inputs: { x: { lo: -2, hi: 2 } } },
    },
  };

  for (const [name, { onnx, options }] of Object.entries(models)) {
    it(`${name}: fresh searches from other seeds find nothing beyond it`, () => {
      const model = compileModel(onnx(), options);
      const e = model.errors[0]!;
      expect(e.kind).to.equal("empirical");
      expect(e.seed).to.equal(11);
      const place: Place = { at: e.at, jump: [0] };
      const own = subjectOf(model.graph, model.boxes, model.reference);
      for (let seed = 101; seed < 101 + runs(2, 12); seed++) {
        const found = searchWorst(own, drawInputs(model.boxes, 64, seed), place, [e.range], runs(150, 2_000), seed);
        expect(found[0]!, `seed ${seed}`).to.be.at.most(e.bound);
        expect(found[0]!, "and it does find errors").to.be.greaterThan(e.bound / 20);
      }
    });
  }

  it("is the same on every machine: the statement is a function of model and options", () => {
    const once = (): unknown => compileModel(recurrent("GRU", 2, 2, 3), { inputBits: 5, weightBits: 5, activationBits: 5, pieceBits: 6 }).errors;
    expect(once()).to.deep.equal(once());
  });

  it("a search comes by errors that samples miss: at ends of the box, and where neighbours are alike", () => {
    const atEnds = subject(24, (x) => x.filter((v) => v === 15n).length / 24);
    // As a token is, among others: eight of the elements.
    const alike = subject(24, (all) => {
      const x = all.slice(8, 16);
      return 1 / (1 + Number(x.reduce((m, v) => (v > m ? v : m)) - x.reduce((m, v) => (v < m ? v : m))));
    });
    for (const [s, least] of [[atEnds, 1.5], [alike, 1.5]] as const) {
      const drawn = drawInputs(s.boxes, 16);
      const seen = observe(s, drawn, direct)[0]!.error;
      expect(searchWorst(s, drawn, direct, [1], 400, 3)[0]! / seen).to.be.greaterThan(least);
    }
  });

  it("where the status byte is set nothing is stated: the search does not leave what is stated for it", () => {
    const saturating = subject(8, (x) => (x.some((v) => v > 12n) ? 100 : Number(x[0]!) / 100), (x) => (x.some((v) => v > 12n) ? 2n : 0n));
    const clean = [Array.from({ length: 8 }, () => 0.25)];
    const found = searchWorst(saturating, clean, direct, [1], 300, 5)[0]!;
    expect(found).to.be.within(0.05, 0.13);
  });
});
