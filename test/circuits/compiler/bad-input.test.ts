import onnxProto from "onnx-proto";
import { expect } from "chai";

import { calculateWitness, compileModel, CompileError, quantizeInput, type CompileOptions } from "../../../circuits/compiler/index.ts";
import { circomRefusal } from "../../../circuits/compiler/emit/run.ts";
import { checkBox } from "../../../circuits/compiler/io.ts";
import { seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { encode, type ModelSpec } from "../../../circuits/models/build.ts";
import { mlp } from "../../../circuits/models/zoo.ts";

function refusal(f: () => unknown): CompileError {
  try {
    f();
  } catch (error: unknown) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const model = (spec: Partial<ModelSpec>): Uint8Array => encode({ inputs: { x: [2, 3] }, nodes: [], outputs: ["y"], ...spec });
const one = (op: string, inputs: string[], spec: Partial<ModelSpec> = {}): Uint8Array => model({ nodes: [{ op, in: inputs, out: ["y"], name: "culprit" }], ...spec });
const { onnx } = onnxProto;

/** The same model with one thing changed in its protobuf. */
function edited(change: (m: ReturnType<typeof onnx.ModelProto.decode>) => void): Uint8Array {
  const m = onnx.ModelProto.decode(mlp([3, 2], 1));
  change(m);
  return onnx.ModelProto.encode(m).finish();
}

type Graph = { initializer: { dims: unknown[]; floatData: number[]; dataType: number; dataLocation: number }[]; node: { opType: string; input: string[] }[] };
const graphOf = (m: { graph?: unknown }): Graph => m.graph as Graph;

describe("circuits/compiler: bad input is refused with its reason", () => {
  const cases: Record<string, { bytes: () => Uint8Array; options?: CompileOptions; code: string; says: string }> = {
    "an empty file": { bytes: () => new Uint8Array(), code: "MODEL_INVALID", says: "no graph" },
    "a file that is cut off": { bytes: () => mlp([3, 2], 1).slice(0, 60), code: "MODEL_INVALID", says: "not an ONNX file" },
    "a cycle": {
      bytes: () => model({ nodes: [{ op: "Add", in: ["x", "b"], out: ["a"] }, { op: "Relu", in: ["a"], out: ["b"] }], outputs: ["a"] }), code: "MODEL_INVALID", says: "cycle",
    },
    "a tensor that nothing computes": { bytes: () => one("Add", ["x", "ghost"]), code: "MODEL_INVALID", says: "ghost" },
    "an output that is never computed": { bytes: () => model({ outputs: ["nowhere"] }), code: "MODEL_INVALID", says: "nowhere" },
    "a weight that is not a number": { bytes: () => one("Add", ["x", "w"], { constants: { w: { shape: [1], data: [NaN] } } }), code: "MODEL_INVALID", says: "NaN" },
    "a weight that is infinite": { bytes: () => one("Mul", ["x", "w"], { constants: { w: { shape: [1], data: [Infinity] } } }), code: "OPERATOR_UNSUPPORTED", says: "finite" },
    "a tensor larger than its data": { bytes: () => edited((m) => { (graphOf(m).initializer[0] as Graph["initializer"][number]).dims = [300, 2]; }), code: "MODEL_INVALID", says: "600 elements" },
    "a tensor of a size no memory holds": { bytes: () => edited((m) => { (graphOf(m).initializer[0] as Graph["initializer"][number]).dims = [1 << 20, 1 << 20]; }), code: "MODEL_INVALID", says: "limit" },
    "a negative dimension": { bytes: () => edited((m) => { (graphOf(m).initializer[0] as Graph["initializer"][number]).dims = [-3, 2]; }), code: "MODEL_INVALID", says: "shape" },
    "weights outside of the file": { bytes: () => edited((m) => { (graphOf(m).initializer[0] as Graph["initializer"][number]).dataLocation = 1; }), code: "MODEL_INVALID", says: "outside of the file" },
    "weights that are text": { bytes: () => edited((m) => { (graphOf(m).initializer[0] as Graph["initializer"][number]).dataType = 8; }), code: "MODEL_INVALID", says: "texts" },
    "a huge input": { bytes: () => one("Relu", ["x"], { inputs: { x: [1 << 12, 1 << 12] } }), code: "MODEL_INVALID", says: "limit" },
    "shapes that do not go together": { bytes: () => one("MatMul", ["x", "w"], { constants: { w: { shape: [4, 2], data: new Array<number>(8).fill(1) } } }), code: "MODEL_INVALID", says: "culprit" },
    "operands that do not broadcast": { bytes: () => one("Add", ["x", "w"], { constants: { w: { shape: [5], data: [1, 2, 3, 4, 5] } } }), code: "MODEL_INVALID", says: "broadcast" },
    "a missing operand": { bytes: () => one("Gemm", ["x"]), code: "MODEL_INVALID", says: "culprit" },
    "a shape that depends on the data": { bytes: () => one("NonZero", ["x"]), code: "OPERATOR_UNSUPPORTED", says: "depends on the data" },
    "a target shape that is an input": { bytes: () => one("Reshape", ["x", "s"], { inputs: { x: [2, 3], s: [1] }, inputTypes: { s: "int64" } }), code: "OPERATOR_UNSUPPORTED", says: "depends on the data" },
    "an operator nobody knows": { bytes: () => one("FrobnicateLinear", ["x"]), code: "OPERATOR_UNSUPPORTED", says: "FrobnicateLinear" },
    "an operator named like a method of objects": { bytes: () => one("constructor", ["x"]), code: "OPERATOR_UNSUPPORTED", says: "constructor" },
    "randomness": { bytes: () => one("RandomNormalLike", ["x"]), code: "OPERATOR_UNSUPPORTED", says: "feed the random numbers" },
    "an index beyond the end": { bytes: () => one("Gather", ["x", "i"], { constants: { i: { shape: [1], data: [9], type: "int64" } } }), code: "OPERATOR_UNSUPPORTED", says: "index 9" },
    "a box that is upside down": { bytes: () => mlp([3, 2], 1), options: { inputs: { x: { lo: 1, hi: -1 } } }, code: "INPUT_REFUSED", says: "box" },
    "a box without an end": { bytes: () => mlp([3, 2], 1), options: { inputs: { x: { lo: 0, hi: Infinity } } }, code: "INPUT_REFUSED", says: "box" },
    "more rows than allowed": { bytes: () => mlp([64, 64, 8], 1), options: { maxRows: 500 }, code: "BUDGET_EXCEEDED", says: "500" },
    "a fixed input of the wrong size": { bytes: () => mlp([3, 2], 1), options: { fixed: { x: [1, 2] } }, code: "MODEL_INVALID", says: "fixed to 2" },
  };

  for (const [name, c] of Object.entries(cases)) {
    it(name, () => {
      const error = refusal(() => compileModel(c.bytes(), c.options));
      expect(error.code, error.message).to.equal(c.code);
      expect(error.message).to.contain(c.says);
    });
  }

  it("random bytes and random edits of a model are refused or compile, and never anything else", () => {
    const whole = mlp([3, 2, 2], 1);
    const next = seeded(41);
    let refused = 0;
    for (let k = 0; k < 300; k++) {
      const bytes = whole.slice();
      for (let e = 0; e <= k % 4; e++) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
      try {
        compileModel(bytes, { sampleCount: 2, maxRows: 5_000 });
      } catch (error: unknown) {
        if (!(error instanceof CompileError)) throw error;
        refused += 1;
      }
    }
    expect(refused).to.be.greaterThan(20);
  });

  it("a circuit that circom has no memory for, in words of ours; another complaint of circom's as it is", () => {
    const trace = "memory allocation of 197132288 bytes failed\nRuntimeError: unreachable\n    at circom.wasm.abort (wasm://wasm/circom:wasm-function[6328]:0x4b11d0)";
    expect(circomRefusal(trace, new Error("exit 1"))).to.include({ code: "CIRCOM_MEMORY" });
    expect(circomRefusal(trace, null).message).to.match(/--layers/).and.not.match(/wasm-function/);
    expect(circomRefusal("error[P1000]: UnrecognizedToken", null)).to.include({ code: "CIRCOM_FAILED", message: "circom: error[P1000]: UnrecognizedToken" });
  });

  describe("inputs of a proof", () => {
    const compiled = compileModel(mlp([3, 2], 1));
    it("missing, of the wrong size, or not numbers", () => {
      expect(refusal(() => quantizeInput(compiled, {})).message).to.contain("missing");
      expect(refusal(() => quantizeInput(compiled, { x: [1, 2] })).message).to.contain("2 elements, not 3");
      for (const v of [NaN, Infinity]) expect(refusal(() => quantizeInput(compiled, { x: [0, v, 0] })).code).to.equal("INPUT_REFUSED");
    });
    it("reals outside of the box are moved to its edge, and counted", () => {
      const { values, saturated } = quantizeInput(compiled, { x: [9, -9, 0] });
      expect(saturated).to.equal(2);
      checkBox(compiled.boxes, values);
    });
    it("integers outside of the box have no witness", () => {
      const top = compiled.boxes.map((b) => b.hi);
      const error = refusal(() => calculateWitness(compiled, new Map(), [...top.slice(0, 2), (top[2] as bigint) + 1n], 1n));
      expect(error.code).to.equal("INPUT_REFUSED");
      expect(error.message).to.contain("outside of");
    });
    it("a context of more than 248 bits", () => {
      expect(refusal(() => calculateWitness(compiled, new Map(), compiled.boxes.map((b) => b.lo), 1n << 248n)).code).to.equal("CTX_RANGE");
    });
  });
});
