/** `npm run bench -- network`: the demo's steps, latency and gas of each. Seconds are of this machine and include waiting for windows. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DemoReport } from "../../demo/report.ts";
import type { Figure, Suite } from "../suite.ts";

const suite: Suite = {
  title: "The network, step by step: seconds, and gas of the step's transaction (deploy, models, keepers: of all together)",
  async run(print) {
    const file = join(mkdtempSync(join(tmpdir(), "og-bench-")), "demo.json");
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "scripts/demo/main.ts", "--json", file], { stdio: ["ignore", "pipe", "inherit"] });
    child.stdout.on("data", (chunk: Buffer) => print(chunk.toString().trimEnd()));
    const code = await new Promise<number>((resolve) => child.on("close", (status) => resolve(status ?? 1)));
    if (code !== 0) throw new Error("the demo failed; see above");
    const report = JSON.parse(readFileSync(file, "utf8")) as DemoReport;
    const figures: Record<string, Figure> = { "total-seconds": report.seconds };
    for (const { id, seconds, gas } of report.steps) figures[id] = gas === undefined ? { seconds } : { seconds, gas };
    return figures;
  },
};

export default suite;
