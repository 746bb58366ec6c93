/** What a model costs as a circuit, as text: rows layer by layer, error, expected time and gas. */
import type { CompiledModel } from "../compiler/index.ts";

/** LeNet-5 at 2^17 on two cores, key loaded; the native prover with its start. Both follow the domain. */
const SECONDS_AT_17 = { wasm: 1.9, native: 0.4 };
/** A settled proof with three public inputs; each further one costs a product and its calldata. */
const SETTLE_GAS = 258_700;
const INPUT_GAS = 6_700;
const BAR = 40;

export function explain(model: CompiledModel): string[] {
  const { total, layers } = model.rows;
  const publics = publicCount(model);
  const exponent = Math.max(1, Math.ceil(Math.log2(total + publics + 1)));
  const most = Math.max(1, ...layers.map(({ rows }) => rows));
  const label = (layer: { operator: string; node: string }) => `${layer.operator} ${layer.node}`.slice(0, 36);
  return [
    `${total.toLocaleString("en")} rows, domain 2^${exponent}, ${publics} public inputs (${model.hashedInput ? "input by Poseidon commitment" : "input in plain words"})`,
    "",
    ...layers
      .filter(({ rows }) => rows > 0)
      .map((layer) => `  ${label(layer).padEnd(36)} ${String(layer.rows).padStart(9)}  ${"█".repeat(Math.max(1, Math.round((BAR * layer.rows) / most)))}`),
    "",
    ...model.errors.map((error) => {
      const share = error.range > 0 ? ` (${((100 * error.bound) / error.range).toPrecision(2)} % of its range)` : "";
      const kind = error.kind === "proved" ? "proved for every input" : `empirical, ${error.samples} samples`;
      return `error of "${error.tensor}": at most ${error.bound.toPrecision(3)}${share}, ${kind}${error.vacuous ? "; too wide to say much" : ""}`;
    }),
    `proving, on two idle cores: about ${duration(SECONDS_AT_17.wasm, exponent)} with the default prover, ${duration(SECONDS_AT_17.native, exponent)} with the native prover`,
    `settling one proof: about ${(SETTLE_GAS + INPUT_GAS * (publics - 3)).toLocaleString("en")} gas; 57,000 in a batch of 64`,
    ...model.warnings.map((warning) => `warning: ${warning}`),
  ];
}

export function publicCount(model: CompiledModel): number {
  const words = (lanes: readonly { word: number }[]) => lanes.reduce((most, lane) => Math.max(most, lane.word + 1), 0);
  return 1 + (model.hashedInput ? 1 : words(model.graph.inputs)) + words(model.graph.outputs);
}

function duration(at17: number, exponent: number): string {
  // Starting a process and reading files is never quicker than this.
  const seconds = Math.max(0.05, at17 * 2 ** (exponent - 17));
  return seconds < 1 ? `${Math.ceil(seconds * 20) * 50} ms` : `${seconds.toPrecision(2)} s`;
}
