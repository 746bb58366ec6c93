/** What a model costs as a circuit, as text: rows layer by layer, error, expected time and gas. */
import type { ChainModel, CompiledModel, ErrorStatement } from "../compiler/index.ts";

/**
 * Seconds on two idle cores: what every proof takes, and what it takes beside that at a domain of 2^17, in proportion to the domain. Laid through the
 * six models of the benchmark, 2^13 to 2^17 (docs/zkml.md, Figures), each of which is within a third of it. The default prover with its key loaded;
 * the native one with its start.
 */
const SECONDS = { wasm: { each: 0.15, at17: 1.6 }, native: { each: 0.08, at17: 0.33 } };
/** A settled proof with three public inputs; each further one costs a product and its calldata. */
const SETTLE_GAS = 258_700;
const INPUT_GAS = 6_700;
/** Each of 64 in a batch, with three public inputs: the usual circuit. */
const BATCHED_GAS = 57_000;
/** For each packed word of weights: computed on chain, or claimed. */
const FOLD_GAS = 11_500;
const CLAIM_GAS = 1_900;
const BAR = 40;

export function explain(model: CompiledModel): string[] {
  const publics = publicCount(model);
  return [
    ...rowLines(model),
    "",
    ...errorLines(model),
    ...weightLines(model),
    provingLine([domain(model)]),
    `settling one proof: about ${(SETTLE_GAS + INPUT_GAS * (publics - 3)).toLocaleString("en")} gas${publics === 3 ? `; ${BATCHED_GAS.toLocaleString("en")} in a batch of 64` : ""}`,
    ...model.warnings.map((warning) => `warning: ${warning}`),
  ];
}

/** A model in several circuits. Each layer has the public inputs (ctx, in, out), and is a proof of its own. */
export function explainChain(model: ChainModel): string[] {
  return [
    ...model.layers.flatMap((layer, k) => [`layer ${k}: ${layer.graph.inputs.length} values in, ${layer.graph.outputs.length} out`, ...rowLines(layer), ""]),
    ...errorLines(model),
    provingLine(model.layers.map(domain)),
    ...model.layers.flatMap(({ warnings }) => warnings.map((warning) => `warning: ${warning}`)),
  ];
}

const domain = (model: CompiledModel): number => Math.max(1, Math.ceil(Math.log2(model.rows.total + publicCount(model) + (model.hashedWeights ? 1 : wordsOf(model.graph.weights)) + 1)));

function rowLines(model: CompiledModel): string[] {
  const { total, layers } = model.rows;
  const most = Math.max(1, ...layers.map(({ rows }) => rows));
  const label = (layer: { operator: string; node: string }) => `${layer.operator} ${layer.node}`.slice(0, 36);
  return [
    `${total.toLocaleString("en")} rows, domain 2^${domain(model)}, ${publicCount(model)} public inputs (${model.hashedInput ? "input by Poseidon commitment" : "input in plain words"})`,
    "",
    ...layers
      .filter(({ rows }) => rows > 0)
      .map((layer) => `  ${label(layer).padEnd(36)} ${String(layer.rows).padStart(9)}  ${"█".repeat(Math.max(1, Math.round((BAR * layer.rows) / most)))}`),
  ];
}

/** The word, where it holds, and beside an observation what can be said for every input. */
function errorLines({ errors }: { errors: readonly ErrorStatement[] }): string[] {
  return errors.map((error) => {
    const percent = (v: number) => `${((100 * v) / error.range).toPrecision(2)} %`;
    const where = error.at === "grid" ? ", at the quantised input" : "";
    const share = error.range > 0 ? ` (${percent(error.bound)} of its range)` : "";
    const head = `error of "${error.tensor}": at most ${error.bound.toPrecision(3)}${share}`;
    const tail = error.vacuous ? "; too wide to say much" : "";
    if (error.kind !== "empirical") return `${head}, ${error.kind} for every input${where}; largest of ${error.samples} inputs ${error.observed.toPrecision(3)}${tail}`;
    const bound = (v: number | null) => (v === null || error.range <= 0 ? "none" : percent(v));
    const quantised = error.quantised.affine ?? error.quantised.proved;
    return `${head}, empirical, ${error.samples} inputs, ${error.searched} of them of a search for the worst, seed ${error.seed}${where}; affine bound ${bound(error.affine ?? error.proved)}, at the quantised input ${bound(quantised)}${tail}`;
  });
}

/** Where the weights are, if not in the circuit. */
function weightLines(model: CompiledModel): string[] {
  if (!model.weights) return [];
  const words = wordsOf(model.graph.weights);
  const bytes = `${model.weights.bytes.length.toLocaleString("en")} bytes`;
  if (model.hashedWeights) return [`weights: committed, ${bytes}: one word is folded into the key (Groth16Fold.foldConstants), the weights stay with whoever proves`];
  return [`weights: public, ${bytes} in ${words} words: folding them into the key costs about ${(FOLD_GAS * words).toLocaleString("en")} gas once for each model, ${(CLAIM_GAS * words).toLocaleString("en")} as a claim`];
}

function provingLine(exponents: readonly number[]): string {
  const sum = ({ each, at17 }: { each: number; at17: number }) => duration(exponents.reduce((total, exponent) => total + each + at17 * 2 ** (exponent - 17), 0));
  return `proving, on two idle cores: about ${sum(SECONDS.wasm)} with the default prover, ${sum(SECONDS.native)} with the native prover`;
}

const wordsOf = (lanes: readonly { word: number }[]): number => lanes.reduce((most, lane) => Math.max(most, lane.word + 1), 0);

export function publicCount(model: CompiledModel): number {
  return 1 + (model.hashedInput ? 1 : wordsOf(model.graph.inputs)) + (model.hashedOutput ? 1 : wordsOf(model.graph.outputs));
}

function duration(seconds: number): string {
  return seconds < 0.995 ? `${Math.round(seconds * 100) * 10} ms` : `${seconds.toPrecision(2)} s`;
}
