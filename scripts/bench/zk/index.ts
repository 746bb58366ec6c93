/** `npm run bench -- zk`: rows, proving time, gas. Build the native prover first (`npm run build:prover`) to have its figures. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

import * as snarkjs from "snarkjs";

import { benchmarks } from "../../../circuits/models/zoo.ts";
import type { Figure, Suite } from "../suite.ts";
import { measureGas } from "./gas.ts";
import { measureMany } from "./many.ts";
import { coverage, measureModel } from "./models.ts";

const suite: Suite = {
  title: "Zero-knowledge proofs of models (two cores; gas under Osaka rules, whole transactions)",
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
    const gas = await measureGas();
    print(`gas: ${JSON.stringify(gas)}`);
    for (const benchmark of benchmarks) figures[benchmark.name] = { ...(await measureModel(benchmark, print)) };
    const many = await measureMany(print);
    figures["credit-64"] = { ...many };
    figures["credit-64.gasEach"] = many.gasEach;
    figures["batch-64"] = { gasEach: gas.batchSettleEach[64]! };
    figures["single-settle"] = { gas: gas.singleSettle };
    figures["batch-64.gasEach"] = gas.batchSettleEach[64]!;
    figures["single-settle.gas"] = gas.singleSettle;
    if (existsSync("../shared/vectors/onnx")) {
      print("coverage: compiling the shared models, comparing with the committed table");
      execFileSync(process.execPath, ["scripts/generate/zkml-coverage.ts", "--check"], { stdio: "inherit" });
    } else print("../shared/vectors/onnx is not here: coverage is the committed table's");
    const { supported, total } = coverage();
    figures.onnx = { supported, total };
    figures["onnx.supported"] = supported;
    figures["onnx.total"] = total;
    await (await snarkjs.curves.getCurveFromName("bn128")).terminate();
    return figures;
  },
};

export default suite;
