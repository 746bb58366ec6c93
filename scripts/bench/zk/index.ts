/** `npm run bench -- zk`: rows, proving time, gas. Build the native prover first (`npm run build:prover`) to have its figures. */
import { existsSync, readFileSync } from "node:fs";

import * as snarkjs from "snarkjs";

import { benchmarks } from "../../../circuits/models/zoo.ts";
import { findNative } from "../../../keepers/proving/provers.ts";
import type { Figure, Suite } from "../suite.ts";
import { buildAll } from "./build.ts";
import type { Coverage } from "./build.ts";
import { measureGas } from "./gas.ts";
import { measureMany } from "./many.ts";
import { measureModel } from "./models.ts";
import { measurePeer, PEERS } from "./peers.ts";

const suite: Suite = {
  title: "Zero-knowledge proofs of models (seconds of this machine, by the default prover unless native; gas under Osaka rules, whole transactions)",
  asked: {
    "mlp-784-56-10": "rows <= 9,000; 1 s",
    lenet5: "rows <= 110,000; 5 s, native 1 s",
    "mlp-2m": "rows <= 125,000; 5 s, native 1 s",
    "gbdt-128x6": "rows <= 8,000; 0.5 s",
    "lstm-16x16": "rows <= 72,000; 4 s",
    "attention-8x16": "rows <= 62,000; 3 s, native 0.6 s",
    "credit-64.gasEach": "<= 5,500",
    "batch-64.gasEach": "<= 62,000",
    "single-settle.gas": "<= 260,000",
    "onnx.supported": "74 of 81",
  },
  async run(print) {
    const figures: Record<string, Figure> = {};
    const native = findNative();
    print("missing" in native ? `native prover: ${native.missing}` : "native prover: found");
    const vectors = existsSync("../shared/vectors/onnx");
    print(`building circuits and keys${vectors ? ", compiling the shared models" : ""}; the first time takes minutes`);
    const built = await buildAll(vectors, print);
    const covered = built.covered ?? committedCoverage();
    if (!built.covered) print("coverage is the committed table's: the shared models are not here, or could not be compiled");
    else if (!covered.current) print("docs/zkml-coverage.md is out of date: node scripts/generate/zkml-coverage.ts");

    const gas = await measureGas();
    print(`gas: ${JSON.stringify(gas)}`);
    for (const benchmark of benchmarks) {
      const failure = built.failed.get(benchmark.name);
      figures[benchmark.name] = failure === undefined ? { ...(await measureModel(benchmark, print)) } : `failed: ${failure}`;
    }
    const many = await measureMany(print);
    for (const peer of PEERS) {
      const failure = built.failed.get(peer.name);
      figures[`circomlib-ml.${peer.ours.name}`] = failure === undefined ? await measurePeer(peer, print) : `failed: ${failure}`;
    }
    figures["credit-64"] = { ...many };
    figures["credit-64.gasEach"] = many.gasEach;
    figures["batch-64"] = { gasEach: gas.batchSettleEach[64]! };
    figures["single-settle"] = { gas: gas.singleSettle };
    figures["batch-64.gasEach"] = gas.batchSettleEach[64]!;
    figures["single-settle.gas"] = gas.singleSettle;
    const { supported, total } = covered;
    figures.onnx = { supported, total };
    figures["onnx.supported"] = supported;
    figures["onnx.total"] = total;
    await (await snarkjs.curves.getCurveFromName("bn128")).terminate();
    return figures;
  },
};

/** Of the committed table: where the shared models are not. */
function committedCoverage(): Coverage {
  const [, total, supported] = /Of (\d+) models: \*\*(\d+) meaningful/.exec(readFileSync("docs/zkml-coverage.md", "utf8")) ?? [];
  return { supported: Number(supported), total: Number(total), current: true };
}

export default suite;
