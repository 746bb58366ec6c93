import { expect } from "chai";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { checkModel, type Published } from "../../../circuits/compiler/check/check.ts";
import { exactFunctions, fixed, ONE } from "../../../circuits/compiler/check/exact.ts";
import { compileModel, writeArtifacts, type CompileOptions } from "../../../circuits/compiler/index.ts";
import { functionSpec } from "../../../circuits/compiler/real/functions.ts";
import { boostedTrees, mlp, recurrent, transformerBlock } from "../../../circuits/models/zoo.ts";
import { encode } from "../../../circuits/models/build.ts";
import { expectNear } from "../../utils/near.ts";

async function publish(onnx: Uint8Array, options: CompileOptions = {}): Promise<Published> {
  const directory = mkdtempSync(join(tmpdir(), "og-check-"));
  try {
    await writeArtifacts(compileModel(onnx, { inputBits: 6, weightBits: 6, activationBits: 6, pieceBits: 7, ...options }), directory);
    const text = (name: string): string => readFileSync(join(directory, name), "utf8");
    return {
      graph: text("graph.json"), publicJson: text("public.json"), certificate: text("certificate.json"), sym: text("model.sym"),
      r1cs: new Uint8Array(readFileSync(join(directory, "model.r1cs"))),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const one = (op: string, inputs: Record<string, number[]>): Uint8Array =>
  encode({ inputs, nodes: [{ op, in: Object.keys(inputs), out: ["y"] }], outputs: ["y"] });

describe("circuits/compiler/check: the independent checker", () => {

  const good: Record<string, () => Promise<Published>> = {
    "a dense network": () => publish(mlp([6, 5, 3], 3)),
    "a hashed input": () => publish(mlp([50, 3, 1], 3)),
    "boosted trees": () => publish(boostedTrees(8, 3, 4, 6), { inputs: { x: { lo: 0, hi: 255, bits: 8 } } }),
    "an LSTM": () => publish(recurrent("LSTM", 2, 2, 2)),
    "a GRU": () => publish(recurrent("GRU", 2, 2, 2)),
    "a transformer block": () => publish(transformerBlock(2, 4, 2, 4), { outputBits: 96 }),
    softmax: () => publish(one("Softmax", { x: [1, 4] })),
    "a softmax whose places the data covers, and the best two of it": () => publish(encode({
      inputs: { x: [1, 3], m: [1, 3] }, inputTypes: { m: "bool" }, constants: { far: { shape: [], data: [-Infinity] }, k: { shape: [1], data: [2], type: "int64" } },
      nodes: [
        { op: "Where", in: ["m", "x", "far"], out: ["w"] }, { op: "Softmax", in: ["w"], out: ["y"], attrs: { axis: 1 } },
        { op: "TopK", in: ["y", "k"], out: ["v", "i"], attrs: { axis: 1 } },
      ],
      outputs: ["v", "i"], outputTypes: { i: "int64" },
    })),
    division: () => publish(one("Div", { a: [2], b: [2] }), { inputs: { b: { lo: 1, hi: 2 } } }),
    "a square root": () => publish(one("Sqrt", { x: [2] })),
    "a wide sigmoid": () => publish(one("Sigmoid", { x: [2] }), { inputs: { x: { lo: -40, hi: 40 } } }),
    gelu: () => publish(one("Gelu", { x: [2] }), { inputs: { x: { lo: -20, hi: 20 } } }),
    exp: () => publish(one("Exp", { x: [2] }), { inputs: { x: { lo: -3, hi: 3 } } }),
    "a divisor of either sign that may be zero": () => publish(one("Div", { a: [2], b: [2] })),
    "a divisor that may be zero": () => publish(one("Div", { a: [2], b: [2] }), { inputs: { b: { lo: 0, hi: 1 } } }),
    "an arc cosine up to the ends of its domain": () => publish(one("Acos", { x: [2] }), { inputs: { x: { lo: -1, hi: 1 } } }),
    ...Object.fromEntries(["Asin", "Atan", "Tan", "Sinh", "Cosh", "Asinh", "Mish"].map((op) => [`the piece of ${op}`, () => publish(encode({
      inputs: { x: [1] }, nodes: [{ op, in: ["x"], out: ["y"] }], outputs: ["y"], opset: 18,
    }))])),
    "the piece of Acosh": () => publish(one("Acosh", { x: [1] }), { inputs: { x: { lo: 1, hi: 3 } } }),
    "the piece of Atanh": () => publish(one("Atanh", { x: [1] }), { inputs: { x: { lo: -0.5, hi: 0.5 } } }),
    "bitwise operators and shifts": () => publish(encode({
      inputs: { x: [2], z: [2] }, inputTypes: { x: "uint8", z: "uint8" }, constants: { k: { shape: [1], data: [3], type: "uint8" } }, opset: 18, outputs: ["y"],
      nodes: [{ op: "BitwiseXor", in: ["x", "z"], out: ["a"] }, { op: "BitShift", in: ["a", "k"], out: ["y"], attrs: { direction: "LEFT" } }],
    })),
    "a quantised product": () => publish(encode({
      inputs: { x: [1, 3] }, inputTypes: { x: "uint8" }, opset: 13, outputs: ["y"], nodes: [{ op: "QLinearMatMul", in: ["x", "s", "z", "w", "s", "z", "t", "z"], out: ["y"] }],
      constants: { s: { shape: [], data: [0.02] }, t: { shape: [], data: [0.05] }, z: { shape: [], data: [100], type: "uint8" }, w: { shape: [3, 2], data: [3, 200, 90, 17, 250, 33], type: "uint8" } },
    })),
    "a layer normalisation that was written out": () => publish(encode({
      inputs: { x: [1, 4] }, constants: { e: { shape: [], data: [0.01] } }, outputs: ["y"],
      nodes: [
        { op: "ReduceMean", in: ["x"], out: ["m"], attrs: { axes: [-1] } }, { op: "Sub", in: ["x", "m"], out: ["d"] }, { op: "Mul", in: ["d", "d"], out: ["s"] },
        { op: "ReduceMean", in: ["s"], out: ["v"], attrs: { axes: [-1] } }, { op: "Add", in: ["v", "e"], out: ["a"] }, { op: "Sqrt", in: ["a"], out: ["r"] }, { op: "Div", in: ["d", "r"], out: ["y"] },
      ],
    })),
    "max pooling": () => publish(encode({
      inputs: { x: [1, 1, 4, 4] }, nodes: [{ op: "MaxPool", in: ["x"], out: ["y"], attrs: { kernel_shape: [3, 3], strides: [1, 1] } }], outputs: ["y"],
    })),
  };

  for (const [name, make] of Object.entries(good)) {
    it(`accepts ${name}`, async () => {
      const report = checkModel(await make());
      expect(report.lifting.lifted).to.be.greaterThan(0);
      expect(report.pieces.unchecked).to.deep.equal([]);
    });
  }

  describe("refuses", () => {
    let p: Published;
    before(async () => {
      p = await publish(one("Sigmoid", { x: [2] }), { inputs: { x: { lo: -40, hi: 40 } } });
    });
    const edited = (change: (graph: { nodes: (unknown[] | string)[][] }) => void): Published => {
      const graph = JSON.parse(p.graph) as { nodes: unknown[][] };
      change(graph as never);
      return { ...p, graph: JSON.stringify(graph) };
    };

    it("a graph whose hash is not the published one", () => {
      expect(() => checkModel({ ...p, graph: p.graph.replace('"lin"', '"lin" ') })).to.throw(/identity/);
    });

    it("another circuit: a coefficient changed", () => {
      // A byte of a coefficient in the middle of the rows: the file stays well-formed.
      const rows = p.r1cs.slice();
      const at = Math.floor(rows.length * 0.4);
      rows[at] = (rows[at] as number) ^ 1;
      expect(() => checkModel({ ...p, r1cs: rows })).to.throw();
    });

    it("a narrower claim, a wrong weight, a wider error", () => {
      expect(() => checkModel(edited((g) => ((g.nodes[0] as unknown[])[6] = "1")))).to.throw();
      const certificate = JSON.parse(p.certificate) as { pieces: { error: number }[] };
      for (const c of certificate.pieces) c.error /= 1.01;
      expect(() => checkModel({ ...p, certificate: JSON.stringify(certificate) })).to.throw(/pieces/);
    });
  });

  it("evaluates every function like the double-precision one", () => {
    for (const [name, f] of Object.entries(exactFunctions)) {
      for (const x of [0.01, 0.5, 1.3, 3.7, 7.9]) {
        const { value, from, to } = functionSpec(name);
        if (x < from || x > to) continue;
        const want = value(x);
        expectNear(Number(f(fixed(x))) / Number(ONE), want, 1e-12 * Math.max(1, Math.abs(want)), `${name}(${x})`);
      }
    }
  });

  it("shares no code with the compiler", () => {
    const directory = join(import.meta.dirname, "../../../circuits/compiler/check");
    for (const file of readdirSync(directory)) {
      const imports = [...readFileSync(join(directory, file), "utf8").matchAll(/from "(\.[^"]*)"/g)].map((m) => m[1] as string);
      for (const path of imports) expect(path, file).to.match(/^\.\/[\w-]+\.ts$/);
    }
  });

  it("runs as a program", async () => {
    const directory = mkdtempSync(join(tmpdir(), "og-check-"));
    const p = await publish(mlp([3, 2], 1));
    writeFileSync(join(directory, "graph.json"), p.graph);
    writeFileSync(join(directory, "public.json"), p.publicJson);
    writeFileSync(join(directory, "certificate.json"), p.certificate);
    writeFileSync(join(directory, "model.sym"), p.sym);
    writeFileSync(join(directory, "model.r1cs"), p.r1cs);
    const main = join(import.meta.dirname, "../../../circuits/compiler/check/main.ts");
    const out = execFileSync(process.execPath, [main, directory], { encoding: "utf8" });
    expect((JSON.parse(out) as { hash: string }).hash).to.match(/^0x[0-9a-f]{64}$/);
    rmSync(directory, { recursive: true, force: true });
  });
});
