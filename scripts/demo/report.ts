import { writeFileSync } from "node:fs";

/** Ids of the demo's steps, in order. Other programs read them from the JSON report. */
export const STEP_IDS = [
  "chains",
  "deploy",
  "models",
  "keepers",
  "chat-tee",
  "infer-tee",
  "infer-zkml",
  "infer-vanilla",
  "settle-individual",
  "settle-batch",
  "certify",
  "release",
  "feed",
] as const;
export type StepId = (typeof STEP_IDS)[number];

export interface StepReport {
  id: StepId;
  ok: boolean;
  seconds: number;
  /** Hash of the step's main transaction. */
  tx?: string;
  /** Gas used, of that transaction or of all that the step sent (the detail says which). */
  gas?: number;
  detail: string;
}

/** Sums over the payment chain, smallest token unit, as decimal strings. paid = the other six together. */
export interface Totals {
  paid: string;
  released: string;
  fees: string;
  royalties: string;
  held: string;
  refunded: string;
  unprotected: string;
}

export interface DemoReport {
  ok: boolean;
  seconds: number;
  steps: StepReport[];
  totals: Totals;
}

const NO_TOTALS: Totals = { paid: "0", released: "0", fees: "0", royalties: "0", held: "0", refunded: "0", unprotected: "0" };

/** A step failed: which, why and what to do. */
export class StepError extends Error {
  readonly step: StepId;
  constructor(step: StepId, cause: unknown) {
    super(`step "${step}" failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "StepError";
    this.step = step;
  }
}

/** Runs steps, times them and prints a line for each. */
export class Recorder {
  readonly steps: StepReport[] = [];
  totals: Totals = NO_TOTALS;
  readonly #start = performance.now();
  readonly #print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** @throws StepError after recording the failure. */
  async run<T>(id: StepId, title: string, work: () => Promise<{ detail: string; tx?: string; gas?: bigint; value: T }>): Promise<T> {
    this.#print(`  ${id.padEnd(18)} ${title} ...`);
    const start = performance.now();
    const seconds = () => Number(((performance.now() - start) / 1000).toFixed(2));
    try {
      const { detail, tx, gas, value } = await work();
      const step: StepReport = { id, ok: true, seconds: seconds(), detail };
      if (tx !== undefined) step.tx = tx;
      if (gas !== undefined) step.gas = Number(gas);
      this.steps.push(step);
      this.#print(`  ${id.padEnd(18)} ok  ${step.seconds.toFixed(1).padStart(5)} s  ${gas === undefined ? "" : `gas ${gas.toLocaleString("en")}  `}${detail}`);
      return value;
    } catch (error) {
      this.steps.push({ id, ok: false, seconds: seconds(), detail: error instanceof Error ? error.message : String(error) });
      throw new StepError(id, error);
    }
  }

  report(): DemoReport {
    return {
      ok: this.steps.length === STEP_IDS.length && this.steps.every((step) => step.ok) && balances(this.totals),
      seconds: Number(((performance.now() - this.#start) / 1000).toFixed(1)),
      steps: this.steps,
      totals: this.totals,
    };
  }
}

/** paid = released + fees + royalties + held + refunded + unprotected, to the unit. */
export function balances({ paid, ...parts }: Totals): boolean {
  return BigInt(paid) === Object.values(parts).reduce((sum, part) => sum + BigInt(part), 0n);
}

/** A table on screen, and the same as JSON in `file` if one is named. */
export function publish(report: DemoReport, file: string | undefined, print: (line: string) => void): void {
  print("");
  print(`  ${"step".padEnd(18)} ${"ok".padEnd(4)} ${"s".padStart(7)} ${"gas".padStart(12)}  transaction`);
  for (const { id, ok, seconds, gas, tx } of report.steps) {
    print(`  ${id.padEnd(18)} ${(ok ? "yes" : "NO").padEnd(4)} ${seconds.toFixed(2).padStart(7)} ${(gas?.toLocaleString("en") ?? "").padStart(12)}  ${tx ?? ""}`);
  }
  const { paid, released, fees, royalties, held, refunded, unprotected } = report.totals;
  print("");
  print(`  paid ${paid} = released ${released} + fees ${fees} + royalties ${royalties} + held ${held} + refunded ${refunded} + unprotected ${unprotected}`);
  print(`  ${report.ok ? "All steps done" : "NOT complete"} in ${report.seconds} s.`);
  if (file) writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}
