import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { expect } from "chai";
import onnxruntime from "onnxruntime-node";
import { keccak256 } from "viem";

import { buildModels, MODELS_DIRECTORY, readModel } from "../../models/index.ts";
import type { ModelManifest } from "../../models/index.ts";
import { meets, modelCard } from "../../models/manifest.ts";
import { trainCredit } from "../../models/train/credit.ts";
import { trainDigits } from "../../models/train/digits.ts";
import type { TrainedModel } from "../../models/train/model.ts";
import { trainVolatility } from "../../models/train/volatility.ts";
import { toOnnx } from "../../models/onnx.ts";
import { expectNear } from "../utils/near.ts";

describe("models", () => {
  let directory: string;
  let manifest: ModelManifest;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "models-"));
    // The kept build of the project: made once, used by every suite.
    manifest = await buildModels();
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it("gives the kept build of all three back when nothing changed, and trains none", async () => {
    expect(manifest.models.map((m) => m.name)).to.deep.equal(["credit-score", "volatility", "digits"]);
    const trained: string[] = [];
    expect(await buildModels(undefined, { onProgress: (message) => trained.push(message) })).to.deep.equal(manifest);
    expect(trained).to.deep.equal([]);
  });

  it("the model card states what the build measured", async () => {
    const card = await readFile(fileURLToPath(new URL("../../models/README.md", import.meta.url)), "utf8");
    expect(card, "run `node models/card.ts`").to.equal(modelCard(manifest));
  });

  it("the credit model uses only operators that its circuit knows", () => {
    expect(manifest.models[0]!.operators).to.deep.equal(["Gemm", "Relu"]);
  });

  const trainings: readonly (readonly [string, () => TrainedModel])[] = [
    ["credit-score", trainCredit],
    ["volatility", trainVolatility],
    ["digits", trainDigits],
  ];
  for (const [name, training] of trainings) {
    describe(name, () => {
      let trained: TrainedModel;
      let bytes: Uint8Array;

      before(async () => {
        trained = training();
        bytes = await readModel(manifest.models.find((m) => m.name === name)!, MODELS_DIRECTORY);
      });

      it("trains to the same bytes again", () => {
        expect(Buffer.from(toOnnx(trained.network, trained.graph)).equals(bytes)).to.equal(true);
        expect(keccak256(bytes)).to.equal(manifest.models.find((m) => m.name === name)!.keccak256);
      });

      it("onnxruntime agrees with the trainer's own forward pass, and its answers have the stated measures", async () => {
        const session = await onnxruntime.InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 });
        const { input, output, heldOut } = trained;
        expect(session.inputNames).to.deep.equal([input.name]);
        expect(session.outputNames).to.deep.equal([output.name]);
        const outputs: Float32Array[] = [];
        let worst = 0;
        for (const x of heldOut.inputs) {
          const feed = new onnxruntime.Tensor("float32", Float32Array.from(x), input.shape);
          const answer = (await session.run({ [input.name]: feed }))[output.name]!;
          expect(answer.dims).to.deep.equal(output.shape);
          const data = answer.data as Float32Array;
          outputs.push(data);
          trained.predict(x).forEach((v, i) => (worst = Math.max(worst, Math.abs(v - data[i]!) / (1 + Math.abs(v)))));
        }
        await session.release();
        expect(worst).to.be.lessThan(1e-5);
        const measured = heldOut.measure(outputs);
        const stated = manifest.models.find((m) => m.name === name)!.metrics;
        measured.forEach((metric, i) => {
          expectNear(metric.value, stated[i]!.value, 0.001, metric.name);
          expect(meets(metric), `${metric.name} ${metric.value} against ${metric.threshold}`).to.equal(true);
        });
      });

      it("stays inside its input box, and its examples are its own answers", () => {
        for (const x of trained.heldOut.inputs) {
          for (const v of x) expect(v >= trained.input.min! && v <= trained.input.max!).to.equal(true);
        }
        for (const example of manifest.models.find((m) => m.name === name)!.examples) {
          expect([...trained.predict(Float64Array.from(example.input))]).to.deep.equal(example.output);
        }
      });
    });
  }

  it("a damaged file, and only that, is built again", async () => {
    await cp(MODELS_DIRECTORY, directory, { recursive: true });
    await writeFile(join(directory, "credit-score.onnx"), "damaged");
    expect(await buildModels(directory)).to.deep.equal(manifest);
    expect(keccak256(await readModel(manifest.models[0]!, directory))).to.equal(manifest.models[0]!.keccak256);
  });
});
