import type { Real } from "../real/graph.ts";
import { spectralBound, type Row } from "./norm.ts";
import { Symbols, type Form } from "./forms.ts";
import { WHOLE, moved, transfer, type Operand } from "./transfer.ts";

/** What the compiler did to one node of the real graph. */
export interface Step {
  /** Interval of the integer program's value, times its scale. */
  readonly lo: number;
  readonly hi: number;
  /** How far the step is off when its arguments are exact: rounding, the approximation of a piece, a constant's own rounding. */
  readonly own: number;
  /** Of a sum: the part of `own` that is a rounded weight times a value, and that of the constant. */
  readonly drift?: Drift;
}

/** Rounded weight minus weight for each argument, rounded constant minus constant; `rest` is what is left. */
export interface Drift {
  readonly of: Float64Array;
  readonly offset: number;
  readonly rest: number;
}

/** Where the error of an input comes from: the quantiser, or nowhere, which makes the statement one about the quantised input. */
export type Domain = "input" | "grid";

export type StepOf = (n: Real) => Step;

/** Longer forms than this become a symbol of their own. */
const MAX_FORM = 1 << 13;
/** Terms of a matrix beyond which its norm is not looked for. */
const MAX_MATRIX = 4_000_000;
/** Rounding up, once for each step. */
const up = (v: number): number => v * (1 + 2 ** -40);

const own = (n: Real, step: Step, domain: Domain): number => (domain === "grid" && n.op === "input" ? 0 : step.own);

/** Error bound of every node by plain intervals: each argument's error may have either sign, whatever the others do. */
export function intervalErrors(order: readonly Real[], stepOf: StepOf, domain: Domain): (n: Real) => number {
  const operands = new Map<Real, Operand>();
  for (const n of order) {
    const args = n.args.map((a) => operands.get(a) as Operand);
    const step = stepOf(n);
    const err = up(moved(args, transfer(n, args, (r) => stepOf(r).own)) + own(n, step, domain));
    operands.set(n, { lo: step.lo, hi: step.hi, err });
  }
  return (n) => (operands.get(n) as Operand).err;
}

/**
 * Error bound of every node by affine forms. Sums are exact in the symbols. Every other step is linearised with a slope that holds over the
 * whole interval: its error is a new symbol, bounded by slope times the bound of its argument. Steps of one kind at one depth are a group,
 * and the group's norm is at most the spectral norm of the sums before it times the norms of the groups that they read. A network then
 * amplifies errors by the product of its layers' spectral norms, where intervals take the product of their largest row sums.
 */
export function affineErrors(order: readonly Real[], stepOf: StepOf, domain: Domain, norms: Norms = new Map()): (n: Real) => number {
  return new Analysis(stepOf, domain, norms).run(order);
}

/**
 * Spectral norms that were found already, by front, argument, slopes and group. The coefficients of a form do not depend on the domain, so
 * both domains of one program may share this; two programs may not.
 */
export type Norms = Map<string, number>;

/** A row of a matrix before it is cut into groups. */
interface Weighted {
  readonly form: { readonly idx: Int32Array; readonly k: Float64Array };
  readonly slope: number;
}

class Analysis {
  readonly #symbols = new Symbols();
  readonly #forms = new Map<Real, Form>();
  readonly #bounds = new Map<Real, number>();
  /** The symbol of a node's value, and what it counts from: the middle of the interval, or zero for rectifiers. */
  readonly #values = new Map<Real, number>();
  readonly #middle = new Map<Real, number>();
  readonly #rounding = new Map<string, number>();
  readonly #norms: Norms;
  readonly #stepOf: StepOf;
  readonly #domain: Domain;

  constructor(stepOf: StepOf, domain: Domain, norms: Norms) {
    this.#stepOf = stepOf;
    this.#domain = domain;
    this.#norms = norms;
  }

  run(order: readonly Real[]): (n: Real) => number {
    for (const { fronts, rest } of levels(order)) {
      for (const front of fronts) this.#front(front);
      for (const n of rest) this.#forms.set(n, this.#linear(n));
    }
    return (n) => this.#boundOf(n);
  }

  #form(n: Real | undefined): Form {
    return this.#forms.get(n as Real) as Form;
  }

  #boundOf(n: Real): number {
    let bound = this.#bounds.get(n);
    if (bound === undefined) this.#bounds.set(n, (bound = this.#symbols.bound(this.#form(n))));
    return bound;
  }

  #operand(n: Real): Operand {
    const { lo, hi } = this.#stepOf(n);
    return { lo, hi, err: this.#boundOf(n) };
  }

  /** A sum, a difference to a maximum, or a copy that was rounded. */
  #linear(n: Real): Form {
    const step = this.#stepOf(n);
    const nothing = { ids: [], drift: [] };
    const made = n.op === "lin" ? this.#sum(n, step) : this.#symbols.sum(n.args.slice(0, n.op === "gap" ? 2 : 1).map((a) => this.#form(a)), [1, -1], nothing, 0, 0);
    const rounded = n.op === "lin" ? made : this.#plus(made, n, step.own);
    if (rounded.idx.length + rounded.valueIdx.length <= MAX_FORM) return rounded;
    return this.#symbols.symbol(this.#symbols.add(this.#symbols.group(), this.#symbols.bound(rounded)));
  }

  /** A form and a symbol for its own rounding; those of one layer are a group. */
  #plus(f: Form, n: Real, rounding: number): Form {
    if (rounding === 0) return f;
    const key = `${n.layer}:${n.op}`;
    const group = this.#rounding.get(key) ?? this.#symbols.group();
    this.#rounding.set(key, group);
    return this.#symbols.sum([f, this.#symbols.symbol(this.#symbols.add(group, rounding))], [1, 1], { ids: [], drift: [] }, 0, 0);
  }

  #sum(n: Real, step: Step): Form {
    const forms = n.args.map((a) => this.#form(a));
    const { drift } = step;
    if (!drift) return this.#symbols.sum(forms, n.w, { ids: [], drift: [] }, 0, step.own);
    const ids: number[] = [];
    const factors: number[] = [];
    let { offset, rest } = drift;
    for (let i = 0; i < n.args.length; i++) {
      const d = drift.of[i] as number;
      if (d === 0) continue;
      const a = n.args[i] as Real;
      const { lo, hi } = this.#stepOf(a);
      const symbol = this.#values.get(a);
      if (symbol === undefined) rest += Math.abs(d) * Math.max(Math.abs(lo), Math.abs(hi));
      else {
        ids.push(symbol);
        factors.push(d);
        offset += d * (this.#middle.get(a) as number);
        // The middle, and with it half the width, is rounded.
        rest += Math.abs(d) * (Math.abs(lo) + Math.abs(hi)) * 2 ** -50;
      }
    }
    return this.#symbols.sum(forms, n.w, { ids, drift: factors }, offset, rest);
  }

  /** Steps of one kind at one depth: a symbol each, and the norm of them all. */
  #front(members: readonly Real[]): void {
    const group = this.#symbols.group();
    const steps = members.map((n) => {
      const step = this.#stepOf(n);
      const args = n.args.map((a) => this.#operand(a));
      const how = transfer(n, args, (r) => this.#stepOf(r).own);
      const bound = up(moved(args, how) + own(n, step, this.#domain));
      return { n, step, bound, how, extra: how.extra + own(n, step, this.#domain) };
    });
    const halves = euclid(steps.map(({ step }) => (step.hi - step.lo) / 2));
    const size = members[0]?.op === "relu" && members.length > 1 ? this.#valueNorm(members) : Infinity;
    const fromZero = size < halves;
    for (const { n, step, bound } of steps) {
      const middle = fromZero ? 0 : (step.lo + step.hi) / 2;
      const symbol = this.#symbols.add(group, bound, Math.max(step.hi - middle, middle - step.lo) * (1 + 2 ** -50));
      this.#forms.set(n, this.#symbols.symbol(symbol));
      this.#values.set(n, symbol);
      this.#middle.set(n, middle);
    }
    if (members.length > 1) {
      this.#symbols.limit(group, this.#norm(steps));
      if (fromZero) this.#symbols.limitValues(group, size);
    }
  }

  /**
   * sqrt(sum value^2) of a front of rectifiers, which is at most that of what they rectify and round: constants, plus weights times values.
   * One neuron can be as large as its interval says, all of them together cannot.
   */
  #valueNorm(members: readonly Real[]): number {
    const constants: number[] = [];
    const rows: Weighted[] = [];
    for (const n of members) {
      const sum = n.args[0];
      const drift = sum && this.#stepOf(sum).drift;
      if (!sum || !drift || sum.args.some((a) => !this.#values.has(a))) return Infinity;
      const idx = Int32Array.from(sum.args, (a) => this.#values.get(a) as number);
      const k = Float64Array.from(sum.args, (_, i) => (sum.w[i] as number) + (drift.of[i] as number));
      let [middle, gross] = [sum.c + drift.offset, Math.abs(sum.c) + Math.abs(drift.offset) + drift.rest];
      sum.args.forEach((a, i) => {
        const { lo, hi } = this.#stepOf(a);
        middle += (k[i] as number) * (this.#middle.get(a) as number);
        gross += Math.abs(k[i] as number) * (Math.abs(lo) + Math.abs(hi));
      });
      // The last term is what the doubles of this row may lose.
      constants.push(Math.abs(middle) + drift.rest + gross * 2 ** -38 + this.#stepOf(n).own);
      rows.push({ form: { idx, k }, slope: 1 });
    }
    let total = euclid(constants);
    const key = `${members[0]?.id ?? 0}:value`;
    for (const [g, block] of this.#blocks(rows)) total += this.#spectral(`${key}:${g}`, block) * this.#symbols.valueNorm(g);
    return total;
  }

  /** sqrt(sum error^2) over a front: for each argument's place, slopes times forms, as a matrix. */
  #norm(steps: readonly { n: Real; how: { slopes: readonly number[]; largest?: boolean }; extra: number }[]): number {
    const front = steps[0]?.n.id ?? 0;
    let total = euclid(steps.map((s) => s.extra));
    // A front of universal weights has hundreds of thousands of steps: too many to be arguments.
    const places = steps.reduce((most, s) => Math.max(most, s.how.slopes.length), 0);
    if (steps.some((s) => s.how.largest)) {
      const rows = steps.flatMap((s) => s.n.args.map((a, i) => ({ form: this.#form(a), slope: s.how.slopes[i] as number })));
      return total + this.#matrix(`${front}:all:${steps.map((s) => s.how.slopes.join()).join(";")}`, rows.filter((r) => r.slope > 0));
    }
    for (let i = 0; i < places; i++) {
      const rows = steps.flatMap((s) => ((s.how.slopes[i] ?? 0) === 0 ? [] : [{ form: this.#form(s.n.args[i]), slope: s.how.slopes[i] as number }]));
      total += this.#matrix(`${front}:${i}:${steps.map((s) => s.how.slopes[i] ?? 0).join()}`, rows);
    }
    return Number.isNaN(total) ? Infinity : total;
  }

  #matrix(key: string, rows: readonly { form: Form; slope: number }[]): number {
    const terms = rows.reduce((sum, { form }) => sum + form.idx.length + form.valueIdx.length, 0);
    if (terms > MAX_MATRIX || rows.some(({ slope, form }) => !Number.isFinite(slope) || !Number.isFinite(form.gross))) return Infinity;
    let total = euclid(rows.map(({ form, slope }) => slope * (Math.abs(form.offset) + form.rest)));
    for (const [g, block] of this.#blocks(rows)) total += this.#spectral(`${key}:${g}`, block) * this.#symbols.norm(g);
    const values = rows.map(({ form, slope }) => ({ form: { idx: form.valueIdx, k: form.d }, slope }));
    for (const [g, block] of this.#blocks(values)) total += this.#spectral(`${key}:values:${g}`, block) * this.#symbols.valueNorm(g);
    return total;
  }

  #spectral(key: string, block: readonly Row[]): number {
    const norm = this.#norms.get(key) ?? spectralBound(block);
    this.#norms.set(key, norm);
    return norm;
  }

  /** The rows, by group of their symbols. */
  #blocks(rows: readonly Weighted[]): Map<number, Row[]> {
    const blocks = new Map<number, { idx: number[]; k: number[] }[]>();
    for (const { form, slope } of rows) {
      const own = new Map<number, { idx: number[]; k: number[] }>();
      const { idx: columns, k: factors } = form;
      for (let i = 0; i < columns.length; i++) {
        const group = this.#symbols.groupOf(columns[i] as number);
        let row = own.get(group);
        if (!row) {
          own.set(group, (row = { idx: [], k: [] }));
          const block = blocks.get(group);
          if (block) block.push(row);
          else blocks.set(group, [row]);
        }
        row.idx.push(columns[i] as number);
        row.k.push((factors[i] as number) * slope);
      }
    }
    return blocks;
  }
}

const euclid = (list: readonly number[]): number => Math.sqrt(list.reduce((sum, v) => sum + v * v, 0)) * (1 + 2 ** -30);

const LINEAR: ReadonlySet<string> = new Set(["lin", "gap", "seam"]);
/** Bounds of these rules say more than that the value stays the same. */
const TELLING: ReadonlySet<string> = new Set([...WHOLE, "select", "cauchy"]);
const passes = (n: Real): boolean => LINEAR.has(n.op) || (n.op === "bound" && !TELLING.has(n.fn));

/** Nodes by how many steps that are not linear stand before them; those of one depth, operator and layer are a front. */
function levels(order: readonly Real[]): { fronts: Real[][]; rest: Real[] }[] {
  const depth = new Map<Real, number>();
  const out: { fronts: Map<string, Real[]>; rest: Real[] }[] = [];
  for (const n of order) {
    const before = n.args.reduce((d, a) => Math.max(d, depth.get(a) as number), 0);
    const own = passes(n) ? before : n.args.length === 0 ? 0 : before + 1;
    depth.set(n, own);
    while (out.length <= own) out.push({ fronts: new Map(), rest: [] });
    const level = out[own] as (typeof out)[number];
    if (passes(n)) level.rest.push(n);
    else {
      const key = `${n.layer}:${n.op}:${n.fn}`;
      const front = level.fronts.get(key);
      if (front) front.push(n);
      else level.fronts.set(key, [n]);
    }
  }
  return out.map(({ fronts, rest }) => ({ fronts: [...fronts.values()], rest }));
}
