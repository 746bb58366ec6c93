import { sizeOf } from "../../import/tensor.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { axisOf, type SymTensor } from "../tensor.ts";
import { concat, slicesOf } from "./layout.ts";

/** Sequences exist only while the graph is traced: their lengths and positions must be known, and then they leave no rows. */
function items(x: NodeContext, i: number): readonly SymTensor[] {
  const list = x.input(i).items;
  if (!list) throw x.refuse("an operand that is not a sequence", "Check the export");
  return list;
}

export const sequenceOf = (list: readonly SymTensor[]): SymTensor => ({ shape: [list.length], kind: list[0]?.kind ?? "float", data: [], items: list });

function position(x: NodeContext, i: number, length: number, fallback: number): number {
  const given = x.known(i, "the position in a sequence")?.[0];
  const at = given === undefined ? fallback : given < 0 ? given + length : given;
  if (at < 0 || at > length) throw x.refuse(`position ${at} of ${length}`, "Correct the position");
  return at;
}

function joined(x: NodeContext): SymTensor {
  const list = items(x, 0);
  const axis = x.number("axis");
  if (x.number("new_axis", 0) === 0) return concat(list, axis);
  const rank = (list[0]?.shape.length ?? 0) + 1;
  const at = axisOf(axis, rank);
  return concat(list.map((t) => ({ ...t, shape: [...t.shape.slice(0, at), 1, ...t.shape.slice(at)] })), at);
}

function split(x: NodeContext): SymTensor {
  const t = x.input(0);
  const axis = axisOf(x.number("axis", 0), t.shape.length);
  const n = t.shape[axis] as number;
  const given = x.known(1, "the split");
  const scalar = given && x.input(1).shape.length === 0 ? (given[0] as number) : undefined;
  const step = scalar ?? 1;
  const sizes = given && scalar === undefined ? given : Array.from({ length: Math.ceil(n / step) }, (_, i) => Math.min(step, n - i * step));
  const parts = slicesOf(t, axis, sizes);
  if (given || x.number("keepdims", 1) === 1) return sequenceOf(parts);
  return sequenceOf(parts.map((p) => ({ ...p, shape: p.shape.filter((_, d) => d !== axis) })));
}

/** An optional value that is not there. */
const NOTHING: SymTensor = { shape: [0], kind: "float", data: [], items: [] };

/** A body for every item; what is no sequence goes into each as it is. */
function mapped(x: NodeContext): SymTensor[] {
  const body = x.graphAttribute("body");
  const made = items(x, 0).map((_, i) => x.run(body, x.inputs.map((t, k) => (t as SymTensor).items?.[i] ?? x.input(k))));
  return x.node.outputs.map((_, k) => sequenceOf(made.map((list) => list[k] as SymTensor)));
}

export const sequence: OperatorTable = {
  SequenceMap: mapped,
  Optional: (x) => x.optional(0) ?? NOTHING,
  OptionalHasElement: (x) => ({ shape: [], kind: "bool", data: [Number(x.optional(0) !== undefined && x.optional(0) !== NOTHING)] }),
  OptionalGetElement: (x) => {
    if (x.input(0) === NOTHING) throw x.refuse("an optional value that is not there", "Check the export");
    return x.input(0);
  },
  SequenceEmpty: () => sequenceOf([]),
  SequenceConstruct: (x) => sequenceOf(x.inputs.map((_, i) => x.input(i))),
  SequenceAt: (x) => {
    const list = items(x, 0);
    const found = list[position(x, 1, list.length, 0)];
    if (!found) throw x.refuse("a position behind the end", "Correct the position");
    return found;
  },
  SequenceInsert: (x) => {
    const list = items(x, 0);
    const at = position(x, 2, list.length, list.length);
    return sequenceOf([...list.slice(0, at), x.input(1), ...list.slice(at)]);
  },
  SequenceErase: (x) => {
    const list = items(x, 0);
    const at = position(x, 1, list.length, list.length - 1);
    return sequenceOf(list.filter((_, i) => i !== at));
  },
  SequenceLength: (x) => ({ shape: [], kind: "int", data: [items(x, 0).length] }),
  ConcatFromSequence: joined,
  SplitToSequence: split,
  ReverseSequence: (x) => {
    const t = x.input(0);
    const [time, batch] = [x.number("time_axis", 0), x.number("batch_axis", 1)];
    const lengths = x.known(1, "the lengths") as number[];
    const order = [batch, time];
    const inner = sizeOf(t.shape.slice(2));
    const stride = [0, 1].map((d) => (d === 0 ? (t.shape[1] as number) : 1) * inner);
    const data = [...t.data];
    for (let b = 0; b < (t.shape[batch] as number); b++) {
      const n = lengths[b] as number;
      for (let k = 0; k < n; k++) {
        const at = (step: number): number => b * (stride[order[0] as number] as number) + step * (stride[order[1] as number] as number);
        for (let i = 0; i < inner; i++) data[at(k) + i] = t.data[at(n - 1 - k) + i] as SymTensor["data"][number];
      }
    }
    return { ...t, data };
  },
};
