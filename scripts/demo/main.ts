/**
 * `npm run demo [-- --json FILE] [--keep]`: from nothing to a working network, in one run: two chains, five keepers, four
 * paid and verified inferences, settled, certified and released. Exits non-zero at the first step that fails.
 */
import { parseArgs } from "node:util";
import { ProcessGroup } from "../devnet/processes.ts";
import { devnetPath } from "../devnet/deploy.ts";
import { Recorder, StepError, publish } from "./report.ts";
import { runSteps } from "./steps.ts";

const print = (line: string) => console.log(line);

const { values } = parseArgs({ options: { json: { type: "string" }, keep: { type: "boolean", default: false } } });

const processes = new ProcessGroup(devnetPath("logs"));
const recorder = new Recorder(print);
let failed: StepError | undefined;

async function stop(code: number): Promise<never> {
  await processes.stop();
  process.exit(code);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop(failed ? 1 : 0));

print("OpenGradient devnet: enclaves are simulated and proving keys have a public trapdoor; nothing here protects anything.\n");
let summary: string[] = [];
try {
  summary = await runSteps(recorder, processes, print);
} catch (error) {
  if (!(error instanceof StepError)) {
    await processes.stop();
    throw error;
  }
  failed = error;
}

publish(recorder.report(), values.json, print);
if (failed) {
  console.error(`\n${failed.message}\nWhat to do: read the log of the process that it names in ${devnetPath("logs")}, then run the demo again; it starts from nothing each time.`);
  await stop(1);
}
if (values.keep) {
  print("\nTry: OG_DEV_PRIVATE_KEY=<key of the payer below> npx og chat \"What is a receipt?\"   npx og node list   npx og settle show");
  print("\nLeft running (--keep); stop with Ctrl-C:");
  for (const line of summary) print(`  ${line}`);
} else {
  await stop(recorder.report().ok ? 0 : 1);
}
