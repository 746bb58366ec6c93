/**
 * Compiles every model of ../shared/vectors/onnx, compares it with its oracle and writes docs/zkml-coverage.md.
 *
 *   node scripts/generate/zkml-coverage.ts            compile, compare, write the table
 *   node scripts/generate/zkml-coverage.ts --rows     also run circom, the gate, and check every row (minutes)
 *   node scripts/generate/zkml-coverage.ts --check    fail if the committed table differs
 *   node scripts/generate/zkml-coverage.ts --suite D  any folder of models with test_data_set_0 (ONNX's own layout): print, write nothing
 */
import onnxProto from "onnx-proto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { decodeTensor, type Tensor } from "../../circuits/compiler/import/tensor.ts";
import { importModel } from "../../circuits/compiler/import/model.ts";
import { MARGIN } from "../../circuits/compiler/error.ts";
import {
  CompileError, calculateWitness, compileModel, loadModel, quantizeInput, readR1cs, runInteger, violatedRow, writeArtifacts, type CompiledModel, type ErrorStatement,
} from "../../circuits/compiler/index.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const vectors = join(root, "../shared/vectors/onnx");
const MAX_ROWS = 1 << 21;

interface Result {
  readonly name: string;
  readonly operators: string;
  readonly oracle: string;
  readonly rows: number;
  readonly kind: string;
  readonly bound: number;
  readonly observed: number;
  readonly range: number;
  readonly note: string;
  readonly state: "meaningful" | "formal" | "refused";
}

function tensorFile(path: string): Tensor {
  return decodeTensor(onnxProto.onnx.TensorProto.decode(readFileSync(path)));
}

/** The box of a vector: the powers of two around what it holds. */
function boxOf(t: Tensor): { lo: number; hi: number } {
  const finite = t.data.filter(Number.isFinite);
  const size = finite.reduce((m, v) => Math.max(m, Math.abs(v)), 0) || 1;
  const top = 2 ** Math.ceil(Math.log2(size));
  const least = finite.reduce((m, v) => Math.min(m, v), Infinity);
  if (t.kind !== "float") return { lo: Math.min(0, least), hi: size };
  return { lo: least < 0 ? -top : least > 0 ? 2 ** Math.floor(Math.log2(least)) : 0, hi: top };
}

interface Case {
  readonly bytes: Uint8Array;
  readonly shapes: Record<string, number[]>;
  readonly kinds: Record<string, string>;
  readonly inputs: Record<string, number[]>;
  readonly boxes: Record<string, { lo: number; hi: number }>;
  readonly wanted: Tensor[];
  readonly operators: string;
}

function load(directory: string): Case {
  const bytes = readFileSync(join(directory, "model.onnx"));
  const model = importModel(bytes);
  const data = join(directory, "test_data_set_0");
  const files = (kind: string): Tensor[] => readdirSync(data).filter((f) => f.startsWith(kind)).sort().map((f) => tensorFile(join(data, f)));
  const given = files("input_");
  const inputs = Object.fromEntries(model.graph.inputs.map((info, i) => [info.name, (given[i] as Tensor).data]));
  const boxes = Object.fromEntries(model.graph.inputs.map((info, i) => [info.name, boxOf(given[i] as Tensor)]));
  const shapes = Object.fromEntries(model.graph.inputs.map((info, i) => [info.name, (given[i] as Tensor).shape]));
  const kinds = Object.fromEntries(model.graph.inputs.map((info) => [info.name, info.kind]));
  return { bytes, shapes, kinds, inputs, boxes, wanted: files("output_"), operators: [...new Set(model.graph.nodes.map((n) => n.operator))].join(", ") };
}

/** Circom, r1cs and witness for the vector's own input: -1 means every row holds. */
async function satisfies(model: CompiledModel, inputs: Record<string, number[]>): Promise<boolean> {
  const directory = mkdtempSync(join(tmpdir(), "og-cover-"));
  try {
    await writeArtifacts(model, directory);
    const loaded = await loadModel(directory);
    const witness = calculateWitness(loaded, loaded.sym, quantizeInput(model, inputs).values, 1n);
    const r1cs = readR1cs(readFileSync(join(directory, "model.r1cs")));
    return violatedRow(r1cs, witness.values) === -1 && r1cs.rows.length <= model.rows.total;
  } catch (error: unknown) {
    if (!(error instanceof CompileError)) throw error;
    return false;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Inputs that decide a shape cannot come from the data: those that are not floats become constants then, and all of them if need be. */
function compileCase(c: Case): CompiledModel {
  const attempt = (fixed: Record<string, number[]>): CompiledModel => {
    const rest = Object.entries(c.inputs).filter(([name]) => !Object.hasOwn(fixed, name));
    const samples = [rest.map(([, data]) => data).flat()];
    return compileModel(c.bytes, { inputs: c.boxes, shapes: c.shapes, fixed, samples, maxRows: MAX_ROWS, inputMode: "words" });
  };
  try {
    return attempt({});
  } catch (error: unknown) {
    if (!(error instanceof CompileError) || !error.message.includes("depends on the data")) throw error;
    const whole = Object.fromEntries(Object.entries(c.inputs).filter(([name]) => c.kinds[name] !== "float"));
    try {
      return attempt(whole);
    } catch (again: unknown) {
      if (!(again instanceof CompileError) || !again.message.includes("depends on the data")) throw again;
      return attempt(Object.fromEntries(Object.entries(c.inputs).slice(1)));
    }
  }
}

async function examine(name: string, directory: string, rows: boolean): Promise<Result> {
  let c: Case;
  try {
    c = load(directory);
  } catch (error: unknown) {
    if (!(error instanceof CompileError)) throw error;
    return { name, operators: "", oracle: "", rows: 0, kind: "", bound: 0, observed: 0, range: 0, note: error.message, state: "refused" };
  }
  const blank = { name, operators: c.operators, oracle: "shipped", rows: 0, kind: "", bound: 0, observed: 0, range: 0 };
  let model: CompiledModel;
  try {
    model = compileCase(c);
  } catch (error: unknown) {
    if (!(error instanceof CompileError)) throw error;
    return { ...blank, note: error.message, state: "refused" };
  }
  const got = runInteger(model, c.inputs);
  let worst = 0;
  let [lo, hi] = [Infinity, -Infinity];
  let invalid = 0;
  c.wanted.forEach((t, k) => {
    const own = got.tensors[model.outputs[k]?.name ?? ""] ?? [];
    if (own.length !== t.data.length) worst = Infinity;
    t.data.forEach((v, i) => {
      if (Number.isNaN(v)) {
        invalid += 1;
        return;
      }
      worst = Math.max(worst, Math.abs(v - (own[i] as number)));
      lo = Math.min(lo, v);
      hi = Math.max(hi, v);
    });
  });
  const range = hi > lo ? hi - lo : Math.abs(hi) || 1;
  // The oracle is float32: its own slack is a few units in the last place of its largest value.
  const slack = 1e-5 * Math.max(Math.abs(lo), Math.abs(hi));
  const { kind, bound, remarks } = stated(model, range);
  const notes = [...remarks];
  const finerBits = model.warnings.find((w) => w.startsWith("at the usual precision"));
  if (finerBits) notes.push("finer than usual");
  if (invalid > 0) notes.push(`${invalid} elements are NaN in the oracle: status lane ${got.status & 1 ? "set" : "NOT SET"}`);
  if (worst > bound + slack) notes.push("ORACLE OUTSIDE OF THE STATED ERROR");
  const honest = bound <= 0.05 * range && worst <= bound + slack;
  if (rows && model.rows.total <= 1 << 17) notes.push((await satisfies(model, c.inputs)) ? "gate and witness hold" : "WITNESS FAILS");
  return { ...blank, rows: model.rows.total, kind, bound, observed: worst, range, note: notes.join("; "), state: honest ? "meaningful" : "formal" };
}

/** The strongest word that holds for all outputs of the model, measured against the range of the shipped output. */
function stated({ errors }: CompiledModel, range: number): { kind: string; bound: number; remarks: string[] } {
  const most = (of: (e: ErrorStatement) => number | null): number => Math.max(...errors.map((e) => of(e) ?? Infinity));
  const sound = [
    { kind: "proved", bound: most((e) => e.proved), remarks: [] },
    { kind: "affine", bound: most((e) => e.affine ?? e.proved), remarks: [] },
    // The compiler says so itself only where nothing that was seen at the given input is larger.
    ...(errors.every((e) => e.at === "grid" && e.kind !== "empirical")
      ? [{ kind: errors.some((e) => e.kind === "affine") ? "affine" : "proved", bound: most((e) => e.bound), remarks: ["at the quantised input"] }]
      : []),
  ].find((s) => s.bound <= 0.05 * range);
  if (sound) return sound;
  const share = (v: number): string => (Number.isFinite(v) ? `${((100 * v) / range).toPrecision(2)} %` : "none");
  const affine = most((e) => e.affine ?? e.proved);
  const quantised = most((e) => e.quantised.affine ?? e.quantised.proved);
  const where = errors.some((e) => e.at === "grid" && e.kind === "empirical") ? ", at the quantised input" : "";
  const beside = `affine bound ${share(affine)}${Number.isFinite(quantised) ? `, ${share(quantised)} at the quantised input` : ""}`;
  return { kind: "empirical", bound: most((e) => e.observed * MARGIN), remarks: [`${MARGIN} x the largest of ${errors[0]?.samples ?? 0} inputs, ${errors[0]?.searched ?? 0} of a search${where}; ${beside}`] };
}

const short = (v: number): string => (v === 0 ? "0" : v.toExponential(1));

function table(results: readonly Result[]): string {
  const count = (state: string): number => results.filter((r) => r.state === state).length;
  const lines = results.map((r) =>
    r.state === "refused"
      ? `| ${r.name} | ${r.operators} | ${r.oracle} | refused | | | | ${r.note} |`
      : `| ${r.name} | ${r.operators} | ${r.oracle} | ${r.rows} | ${r.kind} | ${short(r.bound)} | ${short(r.observed)} / ${short(r.range)} | ${r.note}${r.state === "formal" ? " **vacuous**" : ""} |`,
  );
  return [
    "<!-- Generated by scripts/generate/zkml-coverage.ts: do not edit. -->",
    "# ONNX models that compile",
    "",
    `Of ${results.length} models: **${count("meaningful")} meaningful** (stated error at most 5 % of the output's range, oracle within it), ` +
      `${count("formal")} formal (they compile and prove, the stated error says little), ${count("refused")} refused.`,
    "",
    "Oracle: `shipped` is the expected output that comes with the model. Error: `proved` (plain intervals) and `affine` (affine forms) hold for every",
    "input of the box, input rounding included unless the remarks say otherwise; `empirical` is 1.5 times the largest error that was seen and nothing",
    "more, with the affine bound beside it. The box of each model is the powers of two around its vector.",
    "",
    "Rows as the compiler counts them. With `--rows` each model of up to 2^17 rows also goes through circom and the gate, and its witness is checked.",
    "",
    "| model | operators | oracle | rows | error kind | stated | observed / range | remarks |",
    "|---|---|---|---|---|---|---|---|",
    ...lines,
    "",
  ].join("\n");
}

async function suite(directory: string, filter: string | undefined, rows: boolean): Promise<Result[]> {
  const results: Result[] = [];
  for (const name of readdirSync(directory).sort()) {
    if (filter && !name.includes(filter)) continue;
    const r = await examine(name.replace(/^test_/, ""), join(directory, name), rows);
    results.push(r);
    console.error(`${r.state.padEnd(10)} ${r.name} ${r.rows} ${r.kind} ${short(r.bound)} ${short(r.observed)} / ${short(r.range)} ${r.note}`);
  }
  return results;
}

const flags = process.argv.slice(2);
const other = flags.includes("--suite") ? flags[flags.indexOf("--suite") + 1] : undefined;
const filter = flags.find((f, i) => !f.startsWith("--") && flags[i - 1] !== "--suite");
if (other) await suite(other, filter, flags.includes("--rows"));
else if (!existsSync(vectors)) console.error(`no vectors at ${vectors}: nothing to do`);
else {
  const results: Result[] = [];
  for (const part of ["pytorch-converted", "pytorch-operator"]) results.push(...(await suite(join(vectors, part), filter, flags.includes("--rows"))));
  const text = table(results);
  const target = join(root, "docs/zkml-coverage.md");
  if (flags.includes("--check")) {
    if (!existsSync(target) || readFileSync(target, "utf8") !== text) {
      console.error("docs/zkml-coverage.md is out of date");
      process.exitCode = 1;
    }
  } else if (!filter) writeFileSync(target, text);
}
