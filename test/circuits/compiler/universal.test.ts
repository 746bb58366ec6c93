import { expect } from "chai";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { checkModel, type Published } from "../../../circuits/compiler/check/check.ts";
import {
  calculateWitness, CompileError, compileChain, compileModel, gateModel, graphHash, loadModel, quantizeInput, readR1cs, runInteger, violatedRow, writeArtifacts, type CompiledModel, type LoadedModel,
} from "../../../circuits/compiler/index.ts";
import type { R1cs } from "../../../circuits/compiler/emit/r1cs.ts";
import { encode, weights } from "../../../circuits/models/build.ts";
import { mlp, recurrent } from "../../../circuits/models/zoo.ts";
import { packWeights, weightsHash } from "../../../circuits/setup/fold.ts";
import { runtime } from "./oracle.ts";
import { expectNear } from "../../utils/near.ts";

/** A convolution, a rectifier, an average pool and two dense layers, one of them without a bias and transposed. */
const convolutional = (seed: number): Uint8Array =>
  encode({
    inputs: { x: [1, 1, 6, 6] }, outputs: ["y"],
    constants: {
      k: weights([2, 1, 3, 3], 0.5, seed), c: weights([2], 0.2, seed + 1), m: weights([8, 5], 0.5, seed + 2), v: weights([3, 5], 0.6, seed + 3), b: weights([3], 0.3, seed + 4),
    },
    nodes: [
      { op: "Conv", in: ["x", "k", "c"], out: ["a"], attrs: { kernel_shape: [3, 3] } }, { op: "Relu", in: ["a"], out: ["r"] },
      { op: "AveragePool", in: ["r"], out: ["p"], attrs: { kernel_shape: [2, 2], strides: [2, 2] } }, { op: "Flatten", in: ["p"], out: ["f"] },
      { op: "MatMul", in: ["f", "m"], out: ["d"] }, { op: "LeakyRelu", in: ["d"], out: ["l"] }, { op: "Gemm", in: ["l", "v", "b"], out: ["y"], attrs: { transB: 1 } },
    ],
  });

const PUBLIC = { weights: "public" } as const;

const refusal = (f: () => unknown): CompileError => {
  try {
    f();
  } catch (error: unknown) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error("not refused");
};

describe("circuits/compiler: universal circuits", () => {
  const folder = mkdtempSync(join(tmpdir(), "og-universal-"));
  const [a, b] = [join(folder, "a"), join(folder, "b")] as [string, string];
  const text = (path: string, name: string): string => readFileSync(join(path, name), "utf8");
  let models: [CompiledModel, CompiledModel];
  let loaded: LoadedModel;
  let r1cs: R1cs;

  before(async () => {
    models = [compileModel(convolutional(3), PUBLIC), compileModel(convolutional(90), PUBLIC)];
    await writeArtifacts(models[0], a);
    await writeArtifacts(models[1], b);
    loaded = await loadModel(a);
    r1cs = readR1cs(readFileSync(join(a, "model.r1cs")));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const published = (): Published => ({
    graph: text(a, "graph.json"), publicJson: text(a, "public.json"), certificate: text(a, "certificate.json"), sym: text(a, "model.sym"), r1cs: new Uint8Array(readFileSync(join(a, "model.r1cs"))),
  });
  const pixels = (seed: number): number[] => weights([36], 1, seed).data;

  it("two models of one architecture differ in weights.json and in nothing else", () => {
    for (const name of ["model.circom", "graph.json", "public.json", "certificate.json", "model.sym", "model.r1cs"]) {
      expect(readFileSync(join(a, name)).equals(readFileSync(join(b, name))), name).to.equal(true);
    }
    expect(text(a, "weights.json")).to.not.equal(text(b, "weights.json"));
    expect((JSON.parse(text(a, "weights.json")) as { weightsHash: string }).weightsHash).to.equal(weightsHash(models[0].weights!.bytes, { lanes: 31 }));
  });

  it("computes what each model computes in ONNX Runtime, up to the stated error", async () => {
    for (const [i, onnx] of [convolutional(3), convolutional(90)].entries()) {
      const model = models[i] as CompiledModel;
      for (let k = 0; k < 8; k++) {
        const x = pixels(k + 1);
        const want = (await runtime(onnx, { x: { shape: [1, 1, 6, 6], data: x } })).y as number[];
        const got = runInteger(model, { x }).tensors.y as number[];
        const direct = model.reference(x)[0] as number[];
        want.forEach((w, j) => {
          expectNear(direct[j] as number, w, 1e-5);
          expect(Math.abs((got[j] as number) - w)).to.be.below(model.errors[0]!.bound);
        });
      }
    }
  });

  it("the checker finds both claims, the whole range of weights, and no row but the graph's and the input commitment's", () => {
    const report = checkModel(published());
    expect(loaded.hashedInput).to.equal(true);
    expect(report.rows.equal).to.be.greaterThan(8 * loaded.weights!.bytes.length);
    expect(report.noOverflow.trusted).to.equal(0);
  });

  it("the checker refuses words whose range is that of one model, that are read in part, or that lie elsewhere", () => {
    const changed = (f: (graph: { weights: unknown[][]; nodes: unknown[][] }) => void): Published => {
      const p = published();
      const json = JSON.parse(p.graph) as { weights: unknown[][]; nodes: unknown[][] };
      f(json);
      const graph = JSON.stringify(json);
      const hash = models[0].graphHash;
      const own = graphHash(graph);
      return { ...p, graph, publicJson: p.publicJson.replaceAll(hash, own), certificate: p.certificate.replaceAll(hash, own) };
    };
    const first = models[0].graph.weights[0]!.node;
    expect(() => checkModel(changed((g) => void ((g.nodes[first] as unknown[])[5] = "0")))).to.throw(/weights: word 0 does not range/);
    expect(() => checkModel(changed((g) => void ((g.weights[0] as unknown[])[4] = 8)))).to.throw(/weights: word 0 is not a word/);
    expect(() => checkModel(changed((g) => void ((g.weights[0] as unknown[])[5] = 240)))).to.throw(/weights: word 0 is not full/);
    expect(() => checkModel(changed((g) => void (g.weights = [])))).to.throw(/rows/);
  });

  it("weights are the last public inputs, packed as the chain packs them", () => {
    const { values } = quantizeInput(loaded, { x: pixels(2) });
    const witness = calculateWitness(loaded, loaded.sym, values, 5n);
    expect(violatedRow(r1cs, witness.values)).to.equal(-1);
    expect(loaded.names.slice(-loaded.graph.weights.length)).to.deep.equal(loaded.graph.weights.map((_, i) => `weights[${i}]`));
    expect(witness.folded).to.deep.equal(packWeights(loaded.weights!.bytes, { lanes: 31, laneBits: 8 }));
    expect(witness.values.slice(1, 1 + loaded.names.length)).to.deep.equal([...witness.publicInputs, ...witness.folded]);
  });

  it("has a witness for every weight at either end of its range", () => {
    for (const end of [-128, 127]) {
      const bytes = new Int8Array(loaded.weights!.bytes.length).fill(end);
      for (const x of [-1, 1]) {
        const { values } = quantizeInput(loaded, { x: new Array<number>(36).fill(x) });
        const witness = calculateWitness({ ...loaded, weights: { bytes } }, loaded.sym, values, 5n);
        expect(violatedRow(r1cs, witness.values)).to.equal(-1);
      }
    }
  });

  it("a word is read in one way: no digit of a weight moves, with or without its neighbour", () => {
    const { values } = quantizeInput(loaded, { x: pixels(2) });
    const honest = calculateWitness(loaded, loaded.sym, values, 5n).values;
    for (const l of loaded.graph.weights) {
      const bits = loaded.graph.nodes.find((n) => n.op === "bits" && n.args[0] === l.node)!;
      const base = loaded.graph.wireOf[bits.id]!;
      for (const i of [0, 7, 8, l.w - 2]) {
        const forged = honest.slice();
        const at = (k: number): number => loaded.sym.get(`main.w[${base + k}]`)!;
        forged[at(i)] = 1n - forged[at(i)]!;
        expect(violatedRow(r1cs, forged)).to.not.equal(-1);
        // Two of this digit are one of the next.
        forged[at(i + 1)] = (forged[at(i + 1)]! + (honest[at(i)]! === 1n ? 1n : r1cs.prime - 1n)) % r1cs.prime;
        forged[at(i)] = (honest[at(i)]! + (honest[at(i)]! === 1n ? r1cs.prime - 2n : 2n)) % r1cs.prime;
        expect(violatedRow(r1cs, forged)).to.not.equal(-1);
      }
    }
  });

  it("the gate flags every row that it could lose about weights", () => {
    const inputs = new Set(loaded.graph.weights.map((_, i) => loaded.sym.get(`main.weights[${i}]`)!));
    const own = r1cs.rows.flatMap((row, i) => ([...row.a, ...row.b, ...row.c].some(([w]) => inputs.has(w)) ? [i] : []));
    expect(own.length).to.equal(inputs.size);
    for (const i of own) {
      const rows = r1cs.rows.filter((_, k) => k !== i);
      expect(gateModel({ ...r1cs, rows }, loaded.graph, loaded.sym, loaded.hashedInput).ok).to.equal(false);
    }
  });

  it("loads another model's weights, and refuses those of another circuit, broken ones, and none", async () => {
    const other = await loadModel(a, join(b, "weights.json"));
    expect(other.weights!.bytes).to.deep.equal(models[1].weights!.bytes);
    const bad = join(folder, "bad.json");
    const code = async (changes: object, directory = a): Promise<string> => {
      writeFileSync(bad, JSON.stringify({ ...(JSON.parse(text(a, "weights.json")) as object), ...changes }));
      return loadModel(directory, bad).then(() => "accepted", (error: CompileError) => error.code);
    };
    expect(await code({ graphHash: "0x00" })).to.equal("WEIGHTS_FILE");
    expect(await code({ weights: "0x01" })).to.equal("WEIGHTS_FILE");
    expect(await code({ format: "og-zkml/0" })).to.equal("WEIGHTS_FILE");
    const { values } = quantizeInput(loaded, { x: pixels(2) });
    expect(refusal(() => calculateWitness({ ...loaded, weights: undefined }, loaded.sym, values, 5n)).code).to.equal("WEIGHTS_MISSING");
    expect(refusal(() => calculateWitness({ ...loaded, weights: { bytes: new Int8Array(3) } }, loaded.sym, values, 5n)).code).to.equal("WEIGHTS_MISSING");
  });

  it("committed weights: one public word for any number of them, and the checker runs its commitment", async () => {
    const [c, d] = [join(folder, "c"), join(folder, "d")] as [string, string];
    for (const [seed, path] of [[3, c], [90, d]] as const) await writeArtifacts(compileModel(convolutional(seed), { weights: "committed" }), path);
    for (const name of ["model.r1cs", "graph.json", "public.json", "certificate.json", "model.sym"]) expect(readFileSync(join(c, name)).equals(readFileSync(join(d, name))), name).to.equal(true);
    const model = await loadModel(c);
    expect(model.names.filter((n) => n.startsWith("weights"))).to.deep.equal(["weights[0]"]);
    const rows = readR1cs(readFileSync(join(c, "model.r1cs")));
    const { values } = quantizeInput(model, { x: pixels(2) });
    const witness = calculateWitness(model, model.sym, values, 5n, 17n);
    expect(violatedRow(rows, witness.values)).to.equal(-1);
    expect(witness.publicInputs.slice(2)).to.deep.equal(calculateWitness(loaded, loaded.sym, values, 5n, 17n).publicInputs.slice(2));
    // Another salt is another commitment, and other weights are.
    const salted = calculateWitness({ ...model, weights: { ...model.weights!, salt: 1n } }, model.sym, values, 5n, 17n);
    expect(violatedRow(rows, salted.values)).to.equal(-1);
    const other = calculateWitness(await loadModel(c, join(d, "weights.json")), model.sym, values, 5n, 17n);
    expect(new Set([...witness.folded, ...salted.folded, ...other.folded]).size).to.equal(3);
    const swapped = other.values.slice();
    swapped[model.sym.get("main.weights[0]")!] = witness.folded[0]!;
    expect(violatedRow(rows, swapped)).to.not.equal(-1);
    const files: Published = {
      graph: text(c, "graph.json"), publicJson: text(c, "public.json"), certificate: text(c, "certificate.json"), sym: text(c, "model.sym"), r1cs: new Uint8Array(readFileSync(join(c, "model.r1cs"))),
    };
    expect(checkModel(files).rows.hash).to.be.greaterThan(checkModel(published()).rows.hash);
    expect(() => checkModel({ ...files, publicJson: files.publicJson.replace('"weightMode": "hash",', "") })).to.throw(/rows/);
    // The gate: of the commitment's rows, none can go.
    const hash = model.sym.get("main.weights[0]")!;
    const last = rows.rows.findIndex((row) => [...row.a, ...row.b, ...row.c].some(([w]) => w === hash));
    expect(gateModel({ ...rows, rows: rows.rows.filter((_, i) => i !== last) }, model.graph, model.sym, true, false, true).ok).to.equal(false);
    expect(await loadModel(c, join(a, "weights.json")).then(() => "accepted", (error: CompileError) => error.code)).to.equal("WEIGHTS_FILE");
  });

  it("refuses by operator and node what cannot take public weights", () => {
    const one = (op: string, constants: Record<string, number[]>, domain = ""): Uint8Array =>
      encode({
        inputs: { x: [1, 2] }, outputs: ["y"], nodes: [{ op, in: ["x", ...Object.keys(constants)], out: ["y"], name: "here", domain }],
        constants: Object.fromEntries(Object.entries(constants).map(([name, data]) => [name, { shape: [data.length], data }])),
      });
    const refused: [string, Uint8Array][] = [
      ["Div", one("Div", { d: [2, 3] })],
      ["BatchNormalization", one("BatchNormalization", { s: [1, 2], b: [0, 1], m: [0, 1], v: [1, 2] })],
      ["Min", one("Min", { p: [1, 2] })],
      ["Max", one("Max", { p: [1, 2] })],
    ];
    for (const [operator, onnx] of refused) {
      const error = refusal(() => compileModel(onnx, PUBLIC));
      expect(error.code, operator).to.equal("OPERATOR_UNSUPPORTED");
      expect(error.message).to.match(new RegExp(`operator ${operator} at node "here"`));
    }
    const quantised = encode({
      inputs: { x: [1, 3] }, inputTypes: { x: "uint8" }, opset: 13, outputs: ["y"], nodes: [{ op: "QLinearMatMul", in: ["x", "s", "z", "w", "s", "z", "t", "z"], out: ["y"] }],
      constants: { s: { shape: [], data: [0.02] }, t: { shape: [], data: [0.05] }, z: { shape: [], data: [100], type: "uint8" }, w: { shape: [3, 2], data: [3, 200, 90, 17, 250, 33], type: "uint8" } },
    });
    expect(refusal(() => compileModel(quantised, PUBLIC)).message).to.match(/operator QLinearMatMul at node "y"/);
    expect(refusal(() => compileModel(encode({ inputs: { x: [2] }, outputs: ["y"], nodes: [{ op: "Relu", in: ["x"], out: ["y"] }] }), PUBLIC)).code).to.equal("WEIGHTS_NONE");
  });

  it("takes recurrent layers and weights in Constant nodes too", () => {
    const [p, q] = [3, 4].map((seed) => compileModel(recurrent("GRU", 2, 2, 2, seed), PUBLIC)) as [CompiledModel, CompiledModel];
    expect(p.graphHash).to.equal(q.graphHash);
    expect(p.weights!.bytes).to.not.deep.equal(q.weights!.bytes);
    const node = (data: number[]): CompiledModel => compileModel(encode({
      inputs: { x: [1, 2] }, outputs: ["y"], nodes: [{ op: "Constant", in: [], out: ["w"], attrs: { value: { shape: [2, 1], data } } }, { op: "MatMul", in: ["x", "w"], out: ["y"] }],
    }), PUBLIC);
    expect(node([0.5, 0.25]).graphHash).to.equal(node([-0.5, 1]).graphHash);
  });

  it("refuses a weight outside of the architecture's range with its name, its value and what to do", () => {
    const wide = (limit: number, data: number[]): CompiledModel =>
      compileModel(encode({ inputs: { x: [1, 2] }, outputs: ["y"], constants: { w: { shape: [2, 1], data } }, nodes: [{ op: "MatMul", in: ["x", "w"], out: ["y"] }] }), { ...PUBLIC, weightRanges: { w: limit } });
    const error = refusal(() => wide(1, [0.5, 1.5]));
    expect(error.code).to.equal("WEIGHT_RANGE");
    expect(error.message).to.match(/"w"\[1\] is 1\.5, outside of \[-1,0\.9921875\].*weightRanges/);
    expect(refusal(() => wide(1, [-Infinity, 0])).message).to.match(/"w"\[0\] is -Infinity/);
    expect(refusal(() => compileChain(mlp([6, 5, 3], 3), 2, PUBLIC)).code).to.equal("CHAIN_WEIGHTS");
    expect(wide(2, [0.5, 1.5]).weights!.bytes).to.deep.equal(Int8Array.from([32, 96]));
    expect(refusal(() => compileModel(mlp([2, 2], 1), { ...PUBLIC, weightRanges: { nothing: 1 } })).code).to.equal("WEIGHT_RANGE");
    expect(refusal(() => compileModel(mlp([2, 2], 1), { ...PUBLIC, weightBits: 12 })).code).to.equal("WEIGHT_BITS");
  });

  it("outputs of a deep network keep their digits, however wide their interval is over all weights", () => {
    const model = compileModel(mlp([8, 8, 8, 8, 8, 8, 8, 3], 3), PUBLIC);
    expect(model.graph.outputs.some((l) => l.w > 32)).to.equal(true);
    const x = weights([8], 1, 5).data;
    const want = model.reference(x)[0]!;
    const size = Math.max(...want.map(Math.abs));
    const got = runInteger(model, { x }).tensors.y!;
    want.forEach((w, i) => expect(Math.abs(got[i]! - w)).to.be.below(size / 8));
  });

  it("takes LayerNormalization's scale and PRelu's slope", () => {
    for (const [op, constants] of [["LayerNormalization", ["g", "b"]], ["PRelu", ["g"]]] as const) {
      const made = [1, 5].map((seed) => compileModel(encode({
        inputs: { x: [1, 4] }, outputs: ["y"], opset: 17, nodes: [{ op, in: ["x", ...constants], out: ["y"] }],
        constants: Object.fromEntries(constants.map((name, i) => [name, weights([4], 1, seed + i)])),
      }), PUBLIC)) as [CompiledModel, CompiledModel];
      expect(made[0].graphHash).to.equal(made[1].graphHash);
      expect(made[0].errors[0]!.vacuous).to.equal(false);
    }
  });

  it("is as fine as its options say", () => {
    const error = (weightBits: number): number => compileModel(mlp([6, 5, 3], 3), { ...PUBLIC, weightBits }).errors[0]!.observed;
    expect(error(16)).to.be.below(error(8) / 16);
  });
});
