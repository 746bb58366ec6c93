import { expect } from "chai";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  calculateWitness, compileModel, loadModel, readR1cs, violatedRow, writeArtifacts, type CompileOptions, type LoadedModel,
} from "../../../circuits/compiler/index.ts";
import type { R1cs, Row } from "../../../circuits/compiler/emit/r1cs.ts";
import { gateInput, runGate, type GateInput, type GateReport } from "../../../circuits/compiler/gate/index.ts";
import { encode, weights } from "../../../circuits/models/build.ts";
import { boostedTrees, mlp } from "../../../circuits/models/zoo.ts";

interface Built {
  readonly r1cs: R1cs;
  readonly input: GateInput;
  readonly loaded: LoadedModel;
}

async function build(onnx: Uint8Array, options: CompileOptions = {}): Promise<Built> {
  const directory = await mkdtemp(join(tmpdir(), "og-gate-"));
  try {
    await writeArtifacts(compileModel(onnx, { inputBits: 6, weightBits: 6, activationBits: 6, pieceBits: 6, ...options }), directory);
    const loaded = await loadModel(directory);
    return { r1cs: readR1cs(await readFile(join(directory, "model.r1cs"))), input: gateInput(loaded.graph, loaded.sym, loaded.hashedInput), loaded };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const one = (op: string, inputs: Record<string, number[]>, extra: Partial<Parameters<typeof encode>[0]["nodes"][number]> = {}): Uint8Array =>
  encode({ inputs, nodes: [{ op, in: Object.keys(inputs), out: ["y"], ...extra }], outputs: ["y"] });

const without = (b: Built, rows: readonly number[]): GateReport =>
  runGate({ ...b.r1cs, rows: b.r1cs.rows.filter((_, i) => !rows.includes(i)) }, b.input);

const models: Record<string, () => Promise<Built>> = {
  "dense with ReLU": () => build(mlp([4, 3, 2], 2)),
  softmax: () => build(one("Softmax", { x: [1, 3] })),
  "square root": () => build(one("Sqrt", { x: [2] }), { inputs: { x: { lo: 0, hi: 1 } } }),
  division: () => build(one("Div", { a: [2], b: [2] }), { inputs: { b: { lo: 1, hi: 2 } } }),
  sigmoid: () => build(one("Sigmoid", { x: [2] }), { inputs: { x: { lo: -32, hi: 32 } } }),
  "layer norm": () => build(encode({
    inputs: { x: [1, 3] }, constants: { g: weights([3], 1, 1), b: weights([3], 1, 2) }, opset: 17,
    nodes: [{ op: "LayerNormalization", in: ["x", "g", "b"], out: ["y"] }], outputs: ["y"],
  })),
  "boosted trees": () => build(boostedTrees(3, 2, 2, 5), { inputs: { x: { lo: 0, hi: 255, bits: 8 } } }),
  "one lane that is its whole word": () => build(one("Relu", { x: [1] }), { inputs: { x: { lo: 0, hi: 1 } } }),
  "input hash": () => build(mlp([60, 2, 1], 4)),
};

describe("circuits/compiler: the determinism gate", () => {

  for (const [name, make] of Object.entries(models)) {
    describe(name, () => {
      let b: Built;
      before(async () => {
        b = await make();
      });

      it("passes: every wire determined, every row an integer identity, every lane ranged", () => {
        const report = runGate(b.r1cs, b.input);
        expect(report.undetermined).to.deep.equal([]);
        expect(report.wrapping).to.deep.equal([]);
        expect(report.unranged).to.deep.equal([]);
      });

      it("flags the loss of any single row", () => {
        const step = Math.max(1, Math.floor(b.r1cs.rows.length / 150));
        for (let row = 0; row < b.r1cs.rows.length; row += step) {
          expect(without(b, [row]).ok, `row ${row} of ${b.r1cs.rows.length}`).to.equal(false);
        }
      });

      it("agrees with mutation: no single wire of a witness can move", () => {
        const lanes = b.loaded.boxes.map((x, i) => x.lo + ((x.hi - x.lo) * BigInt(i % 7)) / 7n);
        const { values } = calculateWitness(b.loaded, b.loaded.sym, lanes, 9n);
        expect(violatedRow(b.r1cs, values)).to.equal(-1);
        // ctx is bound by the key, not by a row of the circuit.
        const ctx = b.loaded.sym.get("main.ctx");
        const step = Math.max(1, Math.floor(values.length / 200));
        for (let w = 1; w < values.length; w += step) {
          if (w === ctx) continue;
          const moved = values.slice();
          moved[w] = (values[w] as bigint) + 1n;
          expect(violatedRow(b.r1cs, moved), `wire ${w}`).to.not.equal(-1);
        }
      });
    });
  }

  it("flags a range check that is wide enough to wrap", async () => {
    const b = await build(mlp([4, 3, 2], 2));
    const scaled = b.r1cs.rows.map((r): Row => {
      const digits = r.c.length > 6 && r.a.length === 0;
      // Digits weighted up to 2^253: the sum has two readings in the field.
      return digits ? { ...r, c: r.c.map(([w, k], i) => [w, i === r.c.length - 1 ? 1n << 253n : k]) } : r;
    });
    expect(runGate({ ...b.r1cs, rows: scaled }, b.input).ok).to.equal(false);
  });

  it("flags a lane that is wider than the packing believes", async () => {
    const b = await build(mlp([4, 3, 2], 2));
    const lanes = b.input.lanes.map((l, i) => (i === 0 ? { ...l, hi: l.hi - 1n } : l));
    expect(runGate(b.r1cs, { ...b.input, lanes }).unranged).to.have.length(1);
  });
});
