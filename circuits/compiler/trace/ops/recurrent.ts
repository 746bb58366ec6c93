import type { RealGraph, Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { build, type SymTensor } from "../tensor.ts";
import { apply, elu, hardSigmoid, leaky, sigmoid, softplus, tanh } from "./elementwise.ts";
import { dot } from "./linear.ts";

type Activation = (v: Val) => Val;

function activations(x: NodeContext, fallback: readonly string[], directions: number): Activation[] {
  const names = x.texts("activations") ?? Array.from({ length: directions }, () => fallback).flat();
  const alpha = x.list("activation_alpha") ?? [];
  const beta = x.list("activation_beta") ?? [];
  const r = x.real;
  let used = 0;
  return names.map((name): Activation => {
    // Parameters are listed only for the activations that take some.
    const takes = ["affine", "leakyrelu", "hardsigmoid", "elu", "scaledtanh", "thresholdedrelu"].includes(name.toLowerCase());
    const [a, b] = takes ? [alpha[used], beta[used]] : [undefined, undefined];
    if (takes) used += 1;
    const table: Record<string, Activation> = {
      sigmoid: (v) => sigmoid(r, v),
      tanh: (v) => tanh(r, v),
      relu: (v) => r.relu(v),
      affine: (v) => r.lin([v], [a ?? 1], b ?? 0),
      leakyrelu: (v) => leaky(r, v, a ?? 0.01),
      hardsigmoid: (v) => hardSigmoid(r, v, a ?? 0.2, b ?? 0.5),
      elu: (v) => elu(r, v, a ?? 1),
      softplus: (v) => softplus(r, v),
      softsign: (v) => apply(r, "softsign", v),
      scaledtanh: (v) => r.mul(a ?? 1, tanh(r, r.mul(b ?? 1, v))),
      thresholdedrelu: (v) => r.mul(v, r.lin([r.ge0(r.lin([v], [-1], a ?? 1))], [-1], 1)),
    };
    const f = table[name.toLowerCase()];
    if (!f) throw x.refuse(`activation ${name}`, "Use Sigmoid, Tanh, Relu or a hard variant");
    return f;
  });
}

/** One direction of one layer: everything a step reads. */
interface Cell {
  readonly r: RealGraph;
  readonly hidden: number;
  /** Pre-activation of gate g, unit u, without the recurrent part. */
  readonly input: (gate: number, unit: number, x: readonly Val[]) => Val;
  /** The recurrent part with its own bias. */
  readonly state: (gate: number, unit: number, h: readonly Val[]) => Val;
  readonly peephole: (gate: number, unit: number) => Val;
  readonly f: readonly Activation[];
  readonly clip: (v: Val) => Val;
  readonly linearBeforeReset: boolean;
  readonly coupled: boolean;
}

interface State {
  readonly h: Val[];
  readonly c: Val[];
}

/** Gates in the order i, o, f, c. */
function lstmStep(cell: Cell, x: readonly Val[], s: State): State {
  const { r } = cell;
  const [f, g, out] = cell.f as [Activation, Activation, Activation];
  const pre = (gate: number, u: number, c: Val): Val =>
    cell.clip(r.lin([cell.input(gate, u, x), cell.state(gate, u, s.h), r.mul(cell.peephole(gate, u), c)], [1, 1, 1]));
  const units = Array.from({ length: cell.hidden }, (_, u) => {
    const old = s.c[u] as Val;
    const i = f(pre(0, u, old));
    const forget = cell.coupled ? r.lin([i], [-1], 1) : f(pre(2, u, old));
    const candidate = g(cell.clip(r.add(cell.input(3, u, x), cell.state(3, u, s.h))));
    const c = r.seam(r.add(r.mul(forget, old), r.mul(i, candidate)));
    const o = f(pre(1, u, c));
    return { c, h: r.seam(r.mul(o, out(c))) };
  });
  return { h: units.map((v) => v.h), c: units.map((v) => v.c) };
}

/** Gates in the order z, r, h. */
function gruStep(cell: Cell, x: readonly Val[], s: State): State {
  const { r } = cell;
  const [f, g] = cell.f as [Activation, Activation];
  const gate = (k: number, u: number): Val => f(cell.clip(r.add(cell.input(k, u, x), cell.state(k, u, s.h))));
  const reset = Array.from({ length: cell.hidden }, (_, u) => gate(1, u));
  const gated = s.h.map((h, u) => r.mul(reset[u] as Val, h));
  const h = s.h.map((old, u) => {
    const z = gate(0, u);
    const recurrent = cell.linearBeforeReset ? r.mul(reset[u] as Val, cell.state(2, u, s.h)) : cell.state(2, u, gated);
    const candidate = g(cell.clip(r.add(cell.input(2, u, x), recurrent)));
    return r.seam(r.add(candidate, r.mul(z, r.sub(old, candidate))));
  });
  return { h, c: [] };
}

function rnnStep(cell: Cell, x: readonly Val[], s: State): State {
  const f = cell.f[0] as Activation;
  const h = s.h.map((_, u) => cell.r.seam(f(cell.clip(cell.r.add(cell.input(0, u, x), cell.state(0, u, s.h))))));
  return { h, c: [] };
}

type Kind = { gates: number; step: (cell: Cell, x: readonly Val[], s: State) => State; defaults: string[] };
const kinds: Record<string, Kind> = {
  LSTM: { gates: 4, step: lstmStep, defaults: ["Sigmoid", "Tanh", "Tanh"] },
  GRU: { gates: 3, step: gruStep, defaults: ["Sigmoid", "Tanh"] },
  RNN: { gates: 1, step: rnnStep, defaults: ["Tanh"] },
};

/** Unrolls a recurrent layer; every direction, step, sample and unit becomes nodes of the real graph. */
function recurrentLayer(x: NodeContext): SymTensor[] {
  const kind = kinds[x.node.operator] as Kind;
  const layout = x.number("layout", 0);
  const t = x.input(0);
  const [w, rec, bias] = [x.input(1), x.input(2), x.optional(3)];
  const [steps, batch, width] = (layout ? [t.shape[1], t.shape[0], t.shape[2]] : t.shape) as [number, number, number];
  const hidden = rec.shape[2] as number;
  const directions = w.shape[0] as number;
  const lengths = x.optional(4)?.data;
  const [h0, c0, peep] = [x.optional(5), x.optional(6), x.optional(7)];
  const f = activations(x, kind.defaults, directions);
  const limit = x.node.attributes.has("clip") ? x.number("clip") : undefined;
  const reverse = x.text("direction", "forward");
  const per = f.length / directions;
  const g = kind.gates;
  const y = new Map<string, Val[]>();
  const last: State[][] = [];
  for (let d = 0; d < directions; d++) {
    const at = (m: SymTensor, row: number, cols: number): Val[] => m.data.slice((d * (m.shape[1] as number) + row) * cols, (d * (m.shape[1] as number) + row + 1) * cols);
    const b = (k: number): Val => (bias ? (bias.data[d * 2 * g * hidden + k] as Val) : 0);
    const cell: Cell = {
      r: x.real,
      hidden,
      input: (gate, u, v) => dot(x.real, v, at(w, gate * hidden + u, width), b(gate * hidden + u)),
      state: (gate, u, h) => dot(x.real, h, at(rec, gate * hidden + u, hidden), b((g + gate) * hidden + u)),
      // Peepholes come in the order i, o, f.
      peephole: (gate, u) => (peep && gate < 3 ? (peep.data[(d * 3 + gate) * hidden + u] as Val) : 0),
      f: f.slice(d * per, (d + 1) * per),
      clip: (v) => (limit === undefined ? v : x.real.clip(v, -limit, limit)),
      linearBeforeReset: x.number("linear_before_reset", 0) === 1,
      coupled: x.number("input_forget", 0) === 1,
    };
    const backwards = reverse === "reverse" || d === 1;
    const finals: State[] = [];
    for (let n = 0; n < batch; n++) {
      const initial = (m: SymTensor | undefined): Val[] =>
        Array.from({ length: hidden }, (_, u) => (m ? (m.data[(layout ? n * directions + d : d * batch + n) * hidden + u] as Val) : 0));
      let s: State = { h: initial(h0), c: initial(c0) };
      const length = lengths?.[n] ?? steps;
      for (let k = 0; k < steps; k++) {
        // Backwards, a short sequence starts at its own end: the steps behind it leave the state as it was.
        const step = backwards ? steps - 1 - k : k;
        const from = (layout ? n * steps + step : step * batch + n) * width;
        const live = x.real.ge0(x.real.lin([length], [1], -(step + 1)));
        if (live === 0) {
          y.set(`${step},${d},${n}`, s.h.map(() => 0));
          continue;
        }
        const next = kind.step(cell, t.data.slice(from, from + width), s);
        y.set(`${step},${d},${n}`, next.h.map((v) => x.real.mul(live, v)));
        s = { h: next.h.map((v, u) => x.real.select(live, v, s.h[u] as Val)), c: next.c.map((v, u) => x.real.select(live, v, s.c[u] as Val)) };
      }
      finals.push(s);
    }
    last.push(finals);
  }
  const sequence = build(layout ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden], "float", (i) => {
    const [step, d, n] = layout ? [i[1], i[2], i[0]] : [i[0], i[1], i[2]];
    return (y.get(`${step},${d},${n}`) as Val[])[i[3] as number] as Val;
  });
  const final = (key: "h" | "c"): SymTensor =>
    build(layout ? [batch, directions, hidden] : [directions, batch, hidden], "float", ([a, b, u]) => {
      const [d, n] = (layout ? [b, a] : [a, b]) as [number, number];
      return ((last[d] as State[])[n] as State)[key][u as number] as Val;
    });
  return x.node.operator === "LSTM" ? [sequence, final("h"), final("c")] : [sequence, final("h")];
}

export const recurrent: OperatorTable = { LSTM: recurrentLayer, GRU: recurrentLayer, RNN: recurrentLayer };
