/**
 * The independent checker as a program: `node circuits/compiler/check/main.ts <folder>`. Prints the report as JSON, or the claim that
 * fails and where, with exit code 1.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { checkModel } from "./check.ts";

const directory = process.argv[2];
if (!directory) {
  console.error("usage: node circuits/compiler/check/main.ts <folder of a compiled model>");
  process.exitCode = 2;
} else {
  const text = (name: string): string => readFileSync(join(directory, name), "utf8");
  try {
    const report = checkModel({
      graph: text("graph.json"), publicJson: text("public.json"), certificate: text("certificate.json"), sym: text("model.sym"),
      r1cs: readFileSync(join(directory, "model.r1cs")),
    });
    console.log(JSON.stringify(report, null, 1));
  } catch (error: unknown) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
