import { isConst, type Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { axisOf, type SymTensor } from "../tensor.ts";
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

function stack(x: NodeContext, list: readonly SymTensor[], along = 0): SymTensor {
  if (list.length === 0) throw x.refuse("a loop without a step", "Remove it");
  const axis = axisOf(along, (list[0] as SymTensor).shape.length + 1);
  return concat(list.map((t) => ({ ...t, shape: [...t.shape.slice(0, axis), 1, ...t.shape.slice(axis)] })), axis);
}

/** The new value while the loop goes on, else the one before. */
function carried(x: NodeContext, going: Val, now: SymTensor, before: SymTensor): SymTensor {
  if (going === 1) return now;
  if (now.shape.join() !== before.shape.join()) throw x.refuse("a loop that the data ends changes a shape", "Use a fixed trip count");
  return { ...now, data: now.data.map((v, i) => x.real.select(going, v, before.data[i] as Val)) };
}

/** Unrolled up to the trip count, which must be known; a condition that the data decides freezes what the loop carries. */
function loop(x: NodeContext): SymTensor[] {
  const body = x.graphAttribute("body");
  const count = x.known(0, "the trip count")?.[0];
  const trips = count ?? LOOP_LIMIT;
  let going: Val = (x.optional(1)?.data[0] as Val | undefined) ?? 1;
  const unsure = (v: Val): boolean => !isConst(v);
  let state = x.inputs.slice(2).map((t) => t as SymTensor);
  const scans: SymTensor[][] = [];
  for (let i = 0; i < trips && going !== 0; i++) {
    if (i >= LOOP_LIMIT) throw x.refuse(`more than ${LOOP_LIMIT} steps`, "Shorten the loop");
    if (unsure(going) && count === undefined) throw x.refuse("the loop condition depends on the data and nothing limits the steps", "Give a trip count");
    const made = x.run(body, [{ shape: [], kind: "int", data: [i] }, { shape: [], kind: "bool", data: [1] }, ...state]);
    const scanned = made.slice(1 + state.length);
    if (unsure(going) && scanned.length > 0) throw x.refuse("the number of rows of a loop's output depends on the data", "Use a fixed trip count");
    scanned.forEach((t, k) => (scans[k] ??= []).push(t));
    const now: Val = going;
    state = made.slice(1, 1 + state.length).map((t, k) => carried(x, now, t, state[k] as SymTensor));
    going = x.real.mul(now, made[0]?.data[0] as Val);
  }
  if (unsure(going) && scans.length > 0 && scans.some((list) => list.length > 1)) throw x.refuse("the number of rows of a loop's output depends on the data", "Use a fixed trip count");
  return [...state, ...scans.map((list) => stack(x, list))];
}

function scan(x: NodeContext): SymTensor[] {
  const body = x.graphAttribute("body");
  const width = x.number("num_scan_inputs");
  const states = x.inputs.length - width;
  const axes = x.list("scan_input_axes") ?? [];
  const [readBack, writeBack] = [x.list("scan_input_directions") ?? [], x.list("scan_output_directions") ?? []];
  if (x.opset < 9) throw x.refuse("a scan over a batch (opset 8)", "Export with a newer opset");
  const outAxes = x.list("scan_output_axes") ?? [];
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
  return [...state, ...scans.map((list, k) => stack(x, writeBack[k] === 1 ? [...list].reverse() : list, outAxes[k] ?? 0))];
}

export const control: OperatorTable = { If: branch, Loop: loop, Scan: scan };
