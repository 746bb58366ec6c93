import { fileURLToPath } from "node:url";

import { expect } from "chai";
import { keccak256 } from "viem";

import { isKeeperError } from "../../../keepers/errors/index.ts";
import { faultOf, onnxInference } from "../../../keepers/inference/index.ts";
import type { OnnxInference, OnnxModel, RequestTensor } from "../../../keepers/inference/index.ts";
import { buildModels, readModel } from "../../../models/index.ts";
import { endless, graphBytes, single } from "./graphs.ts";
import type { GraphParts } from "./graphs.ts";
import { expectNear } from "../../utils/near.ts";
import { refusalOf } from "../../utils/refusal.ts";

async function refusal(work: Promise<unknown>): Promise<{ code: string; family: string; fault: string; details: Record<string, unknown> }> {
  const error = await refusalOf(work);
  expect(error.message, "a sentence").to.match(/[.:]/);
  return { code: error.code, family: error.family, fault: faultOf(error), details: { ...error.details } };
}

describe("onnx inference", () => {
  let onnx: OnnxInference;
  before(() => {
    onnx = onnxInference({ maxElements: 10_000 });
  });
  after(() => onnx.close());

  describe("the repository's models", () => {
    it("load with their description and give the trainer's own answers, the same bits each time", async () => {
      for (const entry of (await buildModels()).models) {
        const bytes = await readModel(entry);
        const model = await onnx.load(bytes);
        expect(model.model).to.equal(keccak256(bytes));
        expect(model).to.include({ opset: 13, parameters: entry.parameters });
        expect(model.operators).to.deep.equal(entry.operators);
        const [input, output] = [entry.inputs[0]!, entry.outputs[0]!];
        expect(model.inputs).to.deep.equal([{ name: input.name, type: "float32", shape: input.shape }]);
        expect(model.outputs).to.deep.equal([{ name: output.name, type: "float32", shape: output.shape }]);
        for (const example of entry.examples) {
          const request = { [input.name]: { shape: [...input.shape], data: example.input } };
          const first = await onnx.run(model.model, request);
          expect(Object.keys(first)).to.deep.equal([output.name]);
          const data = first[output.name]!.data as number[];
          data.forEach((v, i) => expectNear(Number(v), example.output[i]!, 1e-4));
          for (let i = 0; i < 3; i++) expect(await onnx.run(model.model, request)).to.deep.equal(first);
        }
      }
    });

    it("take fifty runs at once", async () => {
      const entry = (await buildModels()).models[0]!;
      const { model } = await onnx.load(await readModel(entry));
      const request = { features: { shape: [1, 20], data: entry.examples[0]!.input } };
      const answers = await Promise.all(Array.from({ length: 50 }, () => onnx.run(model, request)));
      for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
    });
  });

  describe("a request", () => {
    let model: OnnxModel;
    const good = { shape: [1, 3], data: [1, 2, 3] };

    before(async () => {
      model = await onnx.load(single("Abs", [{ name: "x", shape: [1, 3] }], { name: "y", shape: [1, 3] }));
    });

    it("that is right is answered with type and shape", async () => {
      const answer = await onnx.run(model.model, { x: { shape: [1, 3], data: [-1, 0.1, 2] } });
      expect(answer).to.deep.equal({ y: { type: "float32", shape: [1, 3], data: [1, Math.fround(0.1), 2] } });
    });

    const cases: readonly (readonly [string, Record<string, unknown>, string, object])[] = [
      ["with an unknown input", { x: good, z: good }, "onnx.unknown_input", { input: "z" }],
      ["with a prototype's name", { x: good, ["__proto__x"]: good }, "onnx.unknown_input", {}],
      ["without an input", {}, "onnx.missing_input", { input: "x" }],
      ["with null", { x: null }, "onnx.bad_tensor", { input: "x" }],
      ["with data that is no list", { x: { shape: [1, 3], data: "abc" } }, "onnx.bad_tensor", { input: "x" }],
      ["with another type", { x: { ...good, type: "float64" } }, "onnx.dtype_mismatch", { expected: "float32", got: "float64" }],
      ["with another rank", { x: { shape: [3], data: [1, 2, 3] } }, "onnx.shape_mismatch", { input: "x" }],
      ["with another side", { x: { shape: [1, 4], data: [1, 2, 3, 4] } }, "onnx.shape_mismatch", { input: "x" }],
      ["with a negative side", { x: { shape: [-1, 3], data: [1, 2, 3] } }, "onnx.shape_mismatch", { input: "x" }],
      ["with too few values", { x: { shape: [1, 3], data: [1, 2] } }, "onnx.shape_mismatch", { expected: 3, got: 2 }],
      ["with NaN", { x: { shape: [1, 3], data: [1, Number.NaN, 3] } }, "onnx.bad_value", { input: "x", index: 1, value: "NaN" }],
      ["with infinity", { x: { shape: [1, 3], data: [1, 2, -Infinity] } }, "onnx.bad_value", { index: 2, value: "-Infinity" }],
      ["with a number beyond float32", { x: { shape: [1, 3], data: [1e39, 2, 3] } }, "onnx.bad_value", { index: 0 }],
      ["with text among numbers", { x: { shape: [1, 3], data: [1, "2", 3] } }, "onnx.bad_value", { index: 1 }],
      ["with null among numbers", { x: { shape: [1, 3], data: [1, null, 3] } }, "onnx.bad_value", { index: 1 }],
    ];
    for (const [what, inputs, code, details] of cases) {
      it(`${what} is refused: ${code}`, async () => {
        const error = await refusal(onnx.run(model.model, inputs as Record<string, RequestTensor>));
        expect(error).to.include({ code, family: "fatal", fault: "request" });
        expect(error.details).to.deep.include(details);
      });
    }

    it("that is no object, or for a model that is not here, is refused", async () => {
      expect(await refusal(onnx.run(model.model, [] as never))).to.include({ code: "onnx.bad_inputs", fault: "request" });
      expect(await refusal(onnx.run(`0x${"00".repeat(32)}`, { x: good }))).to.include({ code: "onnx.unknown_model" });
    });

    it("with sizes by name: one name is one size, and the whole stays within the limit", async () => {
      const inputs = ["a", "b"].map((name) => ({ name, shape: ["n"] }));
      const sum = await onnx.load(single("Add", inputs, { name: "y", shape: ["n"] }));
      const tensor = (size: number): RequestTensor => ({ shape: [size], data: Array.from({ length: size }, () => 1) });
      expect((await onnx.run(sum.model, { a: tensor(5), b: tensor(5) }))["y"]).to.include({ type: "float32" });
      expect(await refusal(onnx.run(sum.model, { a: tensor(5), b: tensor(1) }))).to.include({ code: "onnx.shape_mismatch" });
      expect(await refusal(onnx.run(sum.model, { a: tensor(5_001), b: tensor(5_001) }))).to.include({ code: "onnx.too_large" });
      const claimed = { shape: [9_007_199_254_740_991], data: [1] };
      expect(await refusal(onnx.run(sum.model, { a: claimed, b: claimed }))).to.include({ code: "onnx.too_large" });
    });

    it("of other types keeps every bit; 64-bit integers are strings", async () => {
      const identity = async (type: "int64" | "int32" | "uint8" | "bool" | "string", data: (number | string | boolean)[]) => {
        const shape = [data.length];
        const { model: id } = await onnx.load(single("Identity", [{ name: "x", type, shape }], { name: "y", type, shape }));
        return onnx.run(id, { x: { shape, data } });
      };
      expect((await identity("int64", ["9223372036854775807", -5]))["y"]!.data).to.deep.equal(["9223372036854775807", "-5"]);
      expect((await identity("int32", [-7, 2147483647]))["y"]!.data).to.deep.equal([-7, 2147483647]);
      expect((await identity("bool", [true, false]))["y"]!.data).to.deep.equal([true, false]);
      expect((await identity("string", ["a", "ß"]))["y"]!.data).to.deep.equal(["a", "ß"]);
      expect(await refusal(identity("int64", ["9223372036854775808"]))).to.include({ code: "onnx.bad_value" });
      expect(await refusal(identity("int64", [2 ** 53]))).to.include({ code: "onnx.bad_value" });
      expect(await refusal(identity("int32", [1.5]))).to.include({ code: "onnx.bad_value" });
      expect(await refusal(identity("uint8", [256]))).to.include({ code: "onnx.bad_value" });
      expect(await refusal(identity("bool", [1]))).to.include({ code: "onnx.bad_value" });
      expect(await refusal(identity("string", [1]))).to.include({ code: "onnx.bad_value" });
    });

    it("whose answer is not a number is refused by output and place", async () => {
      const log = await onnx.load(single("Log", [{ name: "x", shape: [2] }], { name: "y", shape: [2] }));
      const error = await refusal(onnx.run(log.model, { x: { shape: [2], data: [1, -1] } }));
      expect(error).to.include({ code: "onnx.output_not_finite", fault: "model" });
      expect(error.details).to.deep.include({ output: "y", index: 1, value: "NaN" });
    });
  });

  describe("a model", () => {
    const x = { name: "x", shape: [1] } as const;
    const y = { name: "y", shape: [1] } as const;
    const withTensor = (tensor: object): GraphParts => ({
      nodes: [{ opType: "Add", input: ["x", "w"], output: ["y"] }],
      inputs: [x],
      outputs: [y],
      initializer: [{ name: "w", dims: [1], dataType: 1, ...tensor }],
    });

    const cases: readonly (readonly [string, () => Uint8Array, string, object])[] = [
      ["with an operator that nobody knows", () => single("Frobnicate", [x], y), "onnx.unknown_operator", { operator: "Frobnicate" }],
      [
        "with an operator of another domain",
        () => single("FusedGelu", [x], y, "com.example"),
        "onnx.unknown_operator",
        { operator: "com.example.FusedGelu" },
      ],
      ["that throws dice", () => single("RandomNormalLike", [x], y), "onnx.random_operator", { operator: "RandomNormalLike" }],
      [
        "that reads another file",
        () => graphBytes(withTensor({ dataLocation: 1, externalData: [{ key: "location", value: "/etc/hostname" }] })),
        "onnx.external_data",
        { tensor: "w" },
      ],
      ["that is no model", () => new TextEncoder().encode("not a model at all"), "onnx.bad_model", {}],
      ["that is empty", () => new Uint8Array(), "onnx.bad_model", {}],
      [
        "whose parts do not meet",
        () => graphBytes({ nodes: [{ opType: "Abs", input: ["elsewhere"], output: ["y"] }], inputs: [x], outputs: [y] }),
        "onnx.bad_model",
        {},
      ],
    ];
    for (const [what, bytes, code, details] of cases) {
      it(`${what} is refused: ${code}`, async () => {
        const error = await refusal(onnx.load(bytes()));
        expect(error).to.include({ code, family: "fatal", fault: "model" });
        expect(error.details).to.deep.include(details);
      });
    }

    it("that is too large is refused before it is read", async () => {
      const small = onnxInference({ maxModelBytes: 10 });
      expect(await refusal(small.load(new Uint8Array(11)))).to.include({ code: "onnx.too_large" });
      await small.close();
    });

    it("that was forgotten is not run, and may come back", async () => {
      const bytes = single("Neg", [x], y);
      const { model } = await onnx.load(bytes);
      onnx.unload(model);
      expect(await refusal(onnx.run(model, { x: { shape: [1], data: [1] } }))).to.include({ code: "onnx.unknown_model" });
      expect((await onnx.load(bytes)).model).to.equal(model);
      expect((await onnx.run(model, { x: { shape: [1], data: [1] } }))["y"]!.data).to.deep.equal([-1]);
    });
  });

  describe("the process behind it", () => {
    it("is stopped when a model does not end; the keeper stays quick and the next run works", async () => {
      const own = onnxInference({ runTimeoutMs: 1_000, loadTimeoutMs: 300_000 });
      const abs = await own.load(single("Abs", [{ name: "x", shape: [1] }], { name: "y", shape: [1] }));
      const loop = await own.load(endless());
      let ticks = 0;
      const timer = setInterval(() => ticks++, 1);
      expect(await refusal(own.run(loop.model, { x: { shape: [1], data: [1] } }))).to.include({
        code: "onnx.timeout",
        family: "retryable",
        fault: "node",
      });
      clearInterval(timer);
      // One tick would come if the run had held the thread until its end.
      expect(ticks).to.be.greaterThan(2);
      expect((await own.run(abs.model, { x: { shape: [1], data: [-4] } }, { timeoutMs: 300_000 }))["y"]!.data).to.deep.equal([4]);
      await own.close();
    });

    it("may crash: the request fails as worth another try, and a fresh process takes over", async () => {
      const runtimeFile = fileURLToPath(new URL("./crashing.mjs", import.meta.url));
      const own = onnxInference({ runtimeFile });
      const { model } = await own.load(single("Abs", [{ name: "x", shape: [1] }], { name: "x", shape: [1] }));
      for (let i = 0; i < 2; i++) {
        const error = await refusal(own.run(model, { x: { shape: [1], data: [1] } }));
        expect(error).to.include({ code: "onnx.crashed", family: "retryable" });
        expect(error.details).to.include({ signal: "SIGSEGV" });
      }
      await own.close();
    });

    it("takes so many runs and no more; two processes work side by side", async () => {
      const own = onnxInference({ concurrency: 2, maxQueue: 3, runTimeoutMs: 500 });
      const loop = await own.load(endless());
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => own.run(loop.model, { x: { shape: [1], data: [1] } })));
      const codes = results.map((r) => (r.status === "rejected" && isKeeperError(r.reason) ? r.reason.code : "?"));
      expect(codes.filter((code) => code === "onnx.overloaded")).to.have.length(3);
      expect(codes.filter((code) => code === "onnx.timeout")).to.have.length(5);
      await own.close();
      const abs = single("Abs", [{ name: "x", shape: [1] }], { name: "y", shape: [1] });
      expect(await refusal(own.load(abs))).to.include({ code: "onnx.closed" });
    });
  });
});
