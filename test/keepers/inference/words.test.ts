import { expect } from "chai";
import { type LoadedModel, compileModel, decodeOutput, evaluateInteger, inputOfWords } from "../../../circuits/compiler/index.ts";
import { encode, weights } from "../../../circuits/models/build.ts";
import { isKeeperError } from "../../../keepers/errors/index.ts";
import { integerRunner } from "../../../keepers/roles/inference/runners.ts";
import { Random } from "../../utils/random.ts";

/** Requests in words: the only ones whose wrong answers are faults on chain. */
describe("an int program asked in words", () => {
  const onnx = encode({
    inputs: { x: [1, 6] },
    constants: { w: weights([6, 4], 0.8, 3), b: weights([4], 0.2, 4) },
    nodes: [{ op: "Gemm", in: ["x", "w", "b"], out: ["logits"] }, { op: "ArgMax", in: ["logits"], out: ["y"], attrs: { axis: 1 } }],
    outputs: ["y"],
    outputTypes: { y: "int64" },
  });
  const compiled = compileModel(onnx, { inputBits: 7, weightBits: 7 });
  const model = compiled as unknown as LoadedModel; // a runner needs no circuit
  const random = new Random(7);
  const packed = () => {
    const values = model.boxes.map(({ lo, hi }) => lo + BigInt(random.below(Number(hi - lo + 1n))));
    return { values, result: evaluateInteger(model.graph, values) };
  };

  it("answers with the words that its proof shows", async () => {
    for (let i = 0; i < 50; i++) {
      const { values, result } = packed();
      expect(inputOfWords(model, result.inputWords)).to.deep.equal(values);
      const { words, witness } = await integerRunner(model).runWords!(result.inputWords);
      expect(words).to.deep.equal(result.outputWords);
      expect(witness).to.deep.equal(values.map(String));
    }
  });

  it("refuses words that are not an input's one text", async () => {
    const { result } = packed();
    const [first] = result.inputWords as [bigint];
    for (const words of [[], [...result.inputWords, 0n], [first + (1n << 250n), ...result.inputWords.slice(1)], [(1n << 248n) - 1n, ...result.inputWords.slice(1)]]) {
      const error = await integerRunner(model).runWords!(words).then(() => null, (thrown: unknown) => thrown);
      expect(isKeeperError(error) && error.code, String(words)).to.equal("integer.input");
    }
  });

  it("is not asked so where a proof shows the hash of its words: the court would hold the honest answer to be another text", () => {
    for (const hashed of [{ hashedInput: true }, { hashedOutput: true }]) expect(integerRunner({ ...model, ...hashed }).runWords).to.equal(undefined);
    expect(integerRunner(model).runWords).to.be.a("function");
  });

  it("an answer in tensors has no place for a status, so it is refused with one; in words it is told", async () => {
    // At 0 every class has the same score.
    const tied = compileModel(encode({
      inputs: { x: [1, 2] }, constants: { w: weights([2, 2], 0.8, 3) },
      nodes: [{ op: "MatMul", in: ["x", "w"], out: ["logits"] }, { op: "ArgMax", in: ["logits"], out: ["y"], attrs: { axis: 1 } }], outputs: ["y"], outputTypes: { y: "int64" },
    }), { inputBits: 7, weightBits: 7 }) as unknown as LoadedModel;
    const runner = integerRunner(tied);
    const error = await runner.run({ x: { shape: [1, 2], data: [0, 0] } }, AbortSignal.timeout(1_000)).then(() => null, (thrown: unknown) => thrown);
    expect(isKeeperError(error) && [error.code, error.message.includes("several classes")]).to.deep.equal(["integer.status", true]);
    const { words } = await runner.runWords!(evaluateInteger(tied.graph, tied.boxes.map(() => 0n)).inputWords);
    expect(decodeOutput(tied.graph.outputs, words).status).to.equal(4);
  });
});
