/** `npm run bench -- zk`: rows, proving time, gas. Build the native prover first (`npm run build:prover`) to have its figures. */
import { existsSync, readFileSync } from "node:fs";

import { benchmarks } from "../../../circuits/models/zoo.ts";
import { messageOf } from "../../../keepers/errors/index.ts";
import { findNative } from "../../../keepers/proving/provers.ts";
import type { Figure, Suite } from "../suite.ts";
import { buildAll } from "./build.ts";
import type { Coverage } from "./build.ts";
import { measureGas } from "./gas.ts";
import { measureMany } from "./many.ts";
import { measureModel } from "./models.ts";
import { measurePeer, PEER_NOTE, PEERS } from "./peers.ts";
import { closeProving } from "./prove.ts";

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

    /** What one part comes to; a part that fails says so in the place of its figure and leaves the others theirs. */
    async function part<T>(name: string, work: () => Promise<T>): Promise<T | string> {
      const failure = built.failed.get(name);
      if (failure !== undefined) return `failed: ${failure}`;
      try {
        return await work();
      } catch (error) {
        print(`FAILED ${name}: ${messageOf(error)}`);
        return `failed: ${messageOf(error)}`;
      }
    }

    const gas = await part("gas", measureGas);
    print(`gas: ${JSON.stringify(gas)}`);
    for (const benchmark of benchmarks) {
      const measured = await part(benchmark.name, () => measureModel(benchmark, print));
      figures[benchmark.name] = typeof measured === "string" ? measured : { ...measured };
    }
    const many = await part("credit-64", () => measureMany(print));
    figures["circomlib-ml"] = PEER_NOTE;
    for (const peer of PEERS) figures[`circomlib-ml.${peer.ours.name}`] = await part(peer.name, () => measurePeer(peer, print));
    figures["credit-64"] = typeof many === "string" ? many : { ...many };
    figures["credit-64.gasEach"] = typeof many === "string" ? many : many.gasEach;
    const [each, single] = typeof gas === "string" ? [gas, gas] : [gas.batchSettleEach[64]!, gas.singleSettle];
    figures["batch-64"] = typeof each === "string" ? each : { gasEach: each };
    figures["single-settle"] = typeof single === "string" ? single : { gas: single };
    figures["batch-64.gasEach"] = each;
    figures["single-settle.gas"] = single;
    const { supported, total } = covered;
    figures.onnx = { supported, total };
    figures["onnx.supported"] = supported;
    figures["onnx.total"] = total;
    await closeProving();
    return figures;
  },
};

/** Of the committed table: where the shared models are not. */
function committedCoverage(): Coverage {
  const [, total, supported] = /Of (\d+) models: \*\*(\d+) meaningful/.exec(readFileSync("docs/zkml-coverage.md", "utf8")) ?? [];
  return { supported: Number(supported), total: Number(total), current: true };
}

export default suite;
