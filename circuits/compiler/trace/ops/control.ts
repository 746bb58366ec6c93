import type { Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { axisOf, numbers, type SymTensor } from "../tensor.ts";
import { concat, slicesOf } from "./layout.ts";

const LOOP_LIMIT = 4096;

/** Both branches are computed when the condition depends on the data; then their shapes must agree. */
function branch(x: NodeContext): SymTensor[] {
  const condition = x.input(0).data[0] as Val;
  if (typeof condition === "number") return x.run(x.graphAttribute(condition ? "then_branch" : "else_branch"), []);
  const yes = x.run(x.graphAttribute("then_branch"), []);
  const no = x.run(x.graphAttribute("else_branch"), []);
  return yes.map((a, i) => {
    const b = no[i] as SymTensor;
    if (a.shape.join() !== b.shape.join()) throw x.refuse("the branches have different shapes", "Make the condition constant");
    return { ...a, data: a.data.map((v, k) => x.real.select(condition, v, b.data[k] as Val)) };
  });
}

function stack(x: NodeContext, list: readonly SymTensor[]): SymTensor {
  if (list.length === 0) throw x.refuse("a loop without a step", "Remove it");
  return concat(list.map((t) => ({ ...t, shape: [1, ...t.shape] })), 0);
}

/** Unrolled: the trip count must be known and the condition must not depend on the data. */
function loop(x: NodeContext): SymTensor[] {
  const body = x.graphAttribute("body");
  const trips = x.known(0, "the trip count")?.[0] ?? LOOP_LIMIT;
  let going = (numbers(x.optional(1)) ?? [1])[0] as number;
  let state = x.inputs.slice(2).map((t) => t as SymTensor);
  const scans: SymTensor[][] = [];
  for (let i = 0; i < trips && going; i++) {
    if (i >= LOOP_LIMIT) throw x.refuse(`more than ${LOOP_LIMIT} steps`, "Shorten the loop");
    const made = x.run(body, [{ shape: [], kind: "int", data: [i] }, { shape: [], kind: "bool", data: [1] }, ...state]);
    const next = numbers(made[0]);
    if (!next) throw x.refuse("the loop condition depends on the data", "Use a fixed trip count");
    going = next[0] as number;
    made.slice(1 + state.length).forEach((t, k) => (scans[k] ??= []).push(t));
    state = made.slice(1, 1 + state.length);
  }
  return [...state, ...scans.map((list) => stack(x, list))];
}

function scan(x: NodeContext): SymTensor[] {
  const body = x.graphAttribute("body");
  const width = x.number("num_scan_inputs");
  const states = x.inputs.length - width;
  const axes = x.list("scan_input_axes") ?? [];
  const [readBack, writeBack] = [x.list("scan_input_directions") ?? [], x.list("scan_output_directions") ?? []];
  if (x.opset < 9) throw x.refuse("a scan over a batch (opset 8)", "Export with a newer opset");
  if (x.list("scan_output_axes")?.some((a) => a !== 0)) throw x.refuse("scan outputs along another axis than 0", "Transpose outside");
  let state = x.inputs.slice(0, states).map((t) => t as SymTensor);
  const sources = x.inputs.slice(states).map((t, k) => {
    const source = t as SymTensor;
    const axis = axisOf(axes[k] ?? 0, source.shape.length);
    const list = slicesOf(source, axis, new Array<number>(source.shape[axis] as number).fill(1));
    const rows = list.map((row) => ({ ...row, shape: row.shape.filter((_, d) => d !== axis) }));
    return readBack[k] === 1 ? rows.reverse() : rows;
  });
  const scans: SymTensor[][] = [];
  for (let i = 0; i < (sources[0]?.length ?? 0); i++) {
    const rows = sources.map((list) => list[i] as SymTensor);
    const made = x.run(body, [...state, ...rows]);
    made.slice(states).forEach((t, k) => (scans[k] ??= []).push(t));
    state = made.slice(0, states);
  }
  return [...state, ...scans.map((list, k) => stack(x, writeBack[k] === 1 ? [...list].reverse() : list))];
}

export const control: OperatorTable = { If: branch, Loop: loop, Scan: scan };
