import { expect } from "chai";
import onnxProto from "onnx-proto";
import type { onnx } from "onnx-proto";
import { symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { compileModel, runInteger, withExternalData, type CompiledModel } from "../../../circuits/compiler/index.ts";
import { importModel } from "../../../circuits/compiler/import/model.ts";
import { seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { encode, weights, type Attr, type NodeSpec } from "../../../circuits/models/build.ts";
import { tempFolder } from "../../utils/folder.ts";
import { runtime } from "./oracle.ts";

const node = (op: string, inputs: string[], outputs: string[], attrs: Record<string, Attr> = {}, domain = ""): NodeSpec => ({ op, in: inputs, out: outputs, attrs, domain });

/** Largest distance of every float output from ONNX Runtime over seeded inputs; labels must be equal unless a tie is reported. */
async function distance(model: Uint8Array, compiled: CompiledModel, shape: number[], box: (k: number) => number): Promise<number> {
  const next = seeded(9);
  let worst = 0;
  for (let run = 0; run < 6; run++) {
    const x = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, k) => Math.fround((next() * 2 - 1) * box(k)));
    const want = await runtime(model, { x: { shape, data: x } });
    const got = runInteger(compiled, { x });
    for (const o of compiled.outputs) {
      const [w, g] = [want[o.name] as number[], got.tensors[o.name] as number[]];
      if (o.kind !== "float") {
        if ((Number(got.status) & 4) === 0) expect(g, o.name).to.deep.equal(w);
      } else w.forEach((v, i) => (worst = Math.max(worst, Math.abs(v - (g[i] as number)))));
    }
  }
  return worst;
}

describe("circuits/compiler: what exporters write", function () {
  it("an index of the smallest distance: a value and the extreme it took part in are rounded once, whatever constant it holds", async function () {
    const model = encode({
      inputs: { x: [1, 3] }, outputs: ["y", "c"], outputTypes: { y: "int64" }, opset: 11,
      constants: { w: weights([3, 5], 1, 1), n: weights([5], 0.7, 2), t: weights([5, 2], 1, 3) },
      nodes: [node("Mul", ["x", "x"], ["q"]), node("ReduceSum", ["q"], ["s"], { axes: [1], keepdims: 1 }), node("MatMul", ["x", "w"], ["m"]), node("Sub", ["s", "m"], ["d"]),
        node("Add", ["d", "n"], ["e"]), node("ArgMin", ["e"], ["y"], { axis: 1, keepdims: 0 }), node("Gather", ["t", "y"], ["c"])],
    });
    const compiled = compileModel(model, { inputs: { x: { lo: -2, hi: 2 } } });
    expect(await distance(model, compiled, [1, 3], () => 2)).to.be.at.most(0.004);
  });

  it("the largest of values and a constant", async function () {
    const model = encode({
      inputs: { x: [2, 2] }, outputs: ["y"], outputTypes: { y: "int64" }, constants: { c: { shape: [2, 1], data: [0.3, 0.3] }, w: { shape: [2], data: [0.7, 1.3] } },
      nodes: [node("Mul", ["x", "w"], ["m"]), node("Concat", ["m", "c"], ["a"], { axis: 1 }), node("ArgMax", ["a"], ["y"], { axis: 1, keepdims: 0 })],
    });
    expect(await distance(model, compileModel(model), [2, 2], () => 1)).to.equal(0);
  });

  it("constants in single precision: a cast cuts what a float rounds up to", async function () {
    const model = encode({
      inputs: { x: [1, 2] }, outputs: ["y"], constants: { a: { shape: [1], data: [2] }, k: { shape: [1], data: [Math.log(4)] }, two: { shape: [1], data: [2] } },
      nodes: [node("Log", ["a"], ["l"]), node("Div", ["l", "k"], ["d"]), node("Mul", ["d", "two"], ["p"]), node("Cast", ["p"], ["i"], { to: 7 }), node("Gather", ["x", "i"], ["y"], { axis: 1 })],
    });
    expect(await distance(model, compileModel(model), [1, 2], () => 1)).to.be.at.most(0.001);
  });

  for (const [post, classes] of [["SOFTMAX", 3], ["LOGISTIC", 3], ["LOGISTIC", 2], ["SOFTMAX", 2]] as const) {
    it(`probabilities of ${classes} classes after ${post}, normalised once more`, async function () {
      const model = encode({
        inputs: { x: [1, 4] }, outputs: ["l", "y"], outputTypes: { l: "int64" },
        nodes: [node("LinearClassifier", ["x"], ["l", "p"], {
          coefficients: { floats: weights([classes * 4], 3, 1).data as number[] }, intercepts: { floats: weights([classes], 2, 2).data as number[] }, post_transform: post,
          classlabels_ints: Array.from({ length: classes }, (_, k) => k),
        }, "ai.onnx.ml"), node("Normalizer", ["p"], ["y"], { norm: "L1" }, "ai.onnx.ml")],
      });
      const compiled = compileModel(model, { inputs: { x: { lo: -2, hi: 2 } } });
      expect(await distance(model, compiled, [1, 4], () => 2)).to.be.at.most(0.02);
    });
  }

  it("a softmax whose operands spread over thousands: the largest part stays 1", async function () {
    const model = encode({
      inputs: { x: [1, 4] }, outputs: ["y", "z"], constants: { w: { shape: [4], data: [900, 700, -800, 1000] } },
      nodes: [node("Mul", ["x", "w"], ["m"]), node("Softmax", ["m"], ["y"], { axis: 1 }), node("ReduceLogSumExp", ["m"], ["z"], { axes: [1] })], opset: 11,
    });
    const compiled = compileModel(model, { inputs: { x: { lo: -4, hi: 4 } }, inputBits: 16, weightBits: 16 });
    expect(await distance(model, compiled, [1, 4], () => 4)).to.be.at.most(0.2);
  });

  it("trees over columns of very different sizes in one box", async function () {
    const sizes = [1000, 0.05, 4];
    const model = encode({
      inputs: { x: [1, 3] }, outputs: ["y"],
      nodes: [node("TreeEnsembleRegressor", ["x"], ["y"], {
        nodes_treeids: [0, 0, 0, 0, 0, 0, 0], nodes_nodeids: [0, 1, 2, 3, 4, 5, 6], nodes_featureids: [1, 0, 2, 0, 0, 0, 0],
        nodes_modes: { strings: ["BRANCH_LEQ", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF", "LEAF"] }, nodes_values: { floats: [0.012, 310.5, -1.25, 0, 0, 0, 0] },
        nodes_truenodeids: [1, 3, 5, 0, 0, 0, 0], nodes_falsenodeids: [2, 4, 6, 0, 0, 0, 0], target_treeids: [0, 0, 0, 0], target_nodeids: [3, 4, 5, 6], target_ids: [0, 0, 0, 0],
        target_weights: { floats: [1, 2, 3, 4] }, n_targets: 1,
      }, "ai.onnx.ml")],
    });
    const compiled = compileModel(model, { inputs: { x: { lo: -1024, hi: 1024 } } });
    expect(await distance(model, compiled, [1, 3], (k) => sizes[k] as number)).to.be.at.most(0.001);
  });

  it("weights of 4 bits, two in a byte", function () {
    const plain = onnxProto.onnx.ModelProto.decode(encode({ inputs: { x: [1, 3] }, outputs: ["y"], opset: 21, constants: { s: { shape: [], data: [0.5] } }, nodes: [node("DequantizeLinear", ["w", "s"], ["d"]), node("MatMul", ["x", "d"], ["y"])] }));
    const packed = { name: "w", dims: [3, 1], dataType: 22, rawData: Uint8Array.of(0x7f, 0x08) };
    const model = onnxProto.onnx.ModelProto.encode({ ...plain, graph: { ...plain.graph, initializer: [...(plain.graph?.initializer ?? []), packed] } }).finish();
    // 0xf is -1, 0x7 is 7, 0x8 is -8.
    expect(compileModel(model).reference([1, 0.5, 0.25])[0]).to.deep.equal([-0.5 + 1.75 - 1]);
  });

  describe("weights beside the file", function () {
    let folder: string;
    before(() => {
      folder = tempFolder("og-beside");
      writeFileSync(join(folder, "w.bin"), new Uint8Array(new Float32Array([9, 9, 2, 3]).buffer));
      symlinkSync(join(tmpdir(), ".."), join(folder, "out"));
    });

    const beside = (entries: Record<string, string>): Promise<Uint8Array> => {
      const plain = onnxProto.onnx.ModelProto.decode(encode({ inputs: { x: [1, 2] }, outputs: ["y"], nodes: [node("Mul", ["x", "w"], ["y"])] }));
      const weight = { name: "w", dims: [2], dataType: 1, dataLocation: 1, externalData: Object.entries(entries).map(([key, value]) => ({ key, value })) };
      return withExternalData(onnxProto.onnx.ModelProto.encode({ ...plain, graph: { ...plain.graph, initializer: [weight] } }).finish(), join(folder, "model.onnx"));
    };

    it("are read from where the file says", async function () {
      expect(compileModel(await beside({ location: "w.bin", offset: "8", length: "8" })).reference([1, 1])[0]).to.deep.equal([2, 3]);
    });

    const wrong: Record<string, [Record<string, string>, string]> = {
      "that are not there": [{ location: "gone.bin" }, "not there"], "in another folder": [{ location: "../w.bin" }, "folder"], "at an absolute path": [{ location: "/w.bin" }, "folder"],
      "behind a link": [{ location: "out/etc" }, "folder"], "cut off": [{ location: "w.bin", offset: "8", length: "16" }, "missing"], "before the start": [{ location: "w.bin", offset: "-8" }, "missing"],
    };
    for (const [name, [entries, says]] of Object.entries(wrong)) {
      it(`${name} are refused`, async function () {
        const error = await beside(entries).then(() => undefined, (e: unknown) => e as Error & { code: string });
        expect([error?.code, error?.message.includes(says), error?.message.includes('"w"')], error?.message).to.deep.equal(["MODEL_INVALID", true, true]);
      });
    }
  });

  describe("local functions", function () {
    const { ModelProto, FunctionProto } = onnxProto.onnx;
    const proto = (op: string, input: string[], output: string[], attribute: onnx.IAttributeProto[] = [], domain = ""): onnx.INodeProto => ({ opType: op, input, output, attribute, domain, name: op });
    const slope = (f: number): onnx.IAttributeProto => ({ name: "slope", type: 1, f });

    /** y = leaky(leaky(x)), with the slope of the first call given and that of the second left to the function's default. */
    function withFunctions(functions: onnx.IFunctionProto[], trailer: readonly number[] = []): Uint8Array {
      const plain = ModelProto.decode(encode({ inputs: { x: [1, 4] }, outputs: ["y"], nodes: [node("Outer", ["x"], ["y"], {}, "own")] }));
      const whole = ModelProto.encode({ ...plain, opsetImport: [...plain.opsetImport, { domain: "own", version: 1 }] }).finish();
      const parts = functions.map((f, i) => {
        const body = [...FunctionProto.encode(f).finish(), ...(i === 0 ? trailer : [])];
        return [0xca, 0x01, (body.length & 127) | 128, body.length >> 7, ...body];
      });
      return Uint8Array.from([...whole, ...parts.flat()]);
    }
    const inner: onnx.IFunctionProto = {
      name: "Inner", domain: "own", input: ["a"], output: ["b"], attribute: ["slope"], opsetImport: [{ domain: "", version: 13 }],
      node: [proto("LeakyRelu", ["a"], ["t"], [{ name: "alpha", type: 1, refAttrName: "slope" }]), proto("Add", ["t", "t"], ["b"])],
    };
    const outer: onnx.IFunctionProto = {
      name: "Outer", domain: "own", input: ["a"], output: ["b"], opsetImport: [{ domain: "", version: 13 }, { domain: "own", version: 1 }],
      node: [proto("Inner", ["a"], ["t"], [slope(0.5)], "own"), proto("Inner", ["t"], ["b"], [], "own")],
    };
    const x = [-1, -0.5, 0.25, 1];

    it("are put in place of their calls, attributes and names of their own", function () {
      const compiled = compileModel(withFunctions([inner, outer]));
      // Where neither the call nor the function says, the operator's own default (0.01) holds.
      expect(compiled.reference(x)[0]?.map((v) => Number(v.toFixed(6)))).to.deep.equal([-0.02, -0.01, 1, 4]);
    });

    it("know the attributes that have a default", function () {
      const value = [...onnxProto.onnx.AttributeProto.encode(slope(0.25)).finish()];
      const compiled = compileModel(withFunctions([inner, outer], [0x5a, value.length, ...value]));
      expect(compiled.reference(x)[0]).to.deep.equal([-0.5, -0.25, 1, 4]);
    });

    it("that call themselves are refused", function () {
      const endless = { ...outer, node: [proto("Outer", ["a"], ["b"], [], "own")] };
      expect(() => importModel(withFunctions([endless]))).to.throw().with.property("code", "MODEL_INVALID");
    });
  });
});
