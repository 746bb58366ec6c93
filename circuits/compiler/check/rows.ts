import { demand, PRIME, type Node, type PublishedGraph, type Sum } from "./format.ts";
import { product, weighted, type Range } from "./intervals.ts";

/** A row that the published graph demands, over wires of `w` (keys >= 0), words (`in`, `out`: negative keys) and the constant. */
export interface WantedRow {
  readonly a: Sum;
  readonly b: Sum;
  readonly c: Sum;
  /** Gadgets that reason in the field (is-zero, zero products) need no lifting. */
  readonly overField: boolean;
  readonly node: number;
}

/** Keys: wire i of the graph is i + 1, the constant is 0, input word i is -1 - 3i, output word i is -2 - 3i, weight word i is -3 - 3i. */
export type Side = "in" | "out" | "weights";
export const wireKey = (i: number): number => i + 1;
export const wordKey = (side: Side, i: number): number => (side === "in" ? -1 : side === "out" ? -2 : -3) - 3 * i;

/** What each node is in the circuit: its wire, or the sum it stands for. */
export class Expansion {
  readonly #g: PublishedGraph;
  readonly #known = new Map<number, Sum>();

  constructor(g: PublishedGraph) {
    this.#g = g;
  }

  of(id: number): Sum {
    let sum = this.#known.get(id);
    if (!sum) {
      const n = this.#g.nodes[id] as Node;
      const wire = this.#g.wire[id] as number;
      if (n.op === "eqz") sum = new Map([[wireKey(wire + 1), 1n]]);
      else sum = wire >= 0 && n.op !== "bits" && n.op !== "zero" ? new Map([[wireKey(wire), 1n]]) : this.defined(id);
      this.#known.set(id, sum);
    }
    return sum;
  }

  defined(id: number): Sum {
    const n = this.#g.nodes[id] as Node;
    const out: Sum = new Map();
    const put = (key: number, k: bigint): void => {
      const v = (out.get(key) ?? 0n) + k;
      if (v === 0n) out.delete(key);
      else out.set(key, v);
    };
    if (n.op === "bound") return this.of(n.args[0] as number);
    if (n.op === "bit" || n.op === "field") {
      const [from, to] = n.op === "bit" ? [n.n[0] as number, (n.n[0] as number) + 1] : (n.n as [number, number]);
      for (let i = from; i < to; i++) put(wireKey((this.#g.wire[n.args[0] as number] as number) + i), 1n << BigInt(i - from));
      return out;
    }
    demand(n.op === "lin", "rows", () => `node ${id} (${n.op}) has no wire`);
    put(0, n.c);
    n.args.forEach((a, i) => {
      for (const [key, k] of this.of(a)) put(key, k * (n.k[i] as bigint));
    });
    return out;
  }
}

const plus = (a: Sum, b: Sum, k: bigint): Sum => {
  const out = new Map(a);
  for (const [key, v] of b) {
    const sum = (out.get(key) ?? 0n) + k * v;
    if (sum === 0n) out.delete(key);
    else out.set(key, sum);
  }
  return out;
};
const none: Sum = new Map();
const unit = (key: number): Sum => new Map([[key, 1n]]);

/** First wires of the commitments, where input or output are committed to instead of public. */
export interface Starts {
  readonly in?: number;
  readonly out?: number;
  readonly weights?: number;
}

/** Every row that the graph demands, written from the price list of the graph's format. */
export function wantedRows(g: PublishedGraph, starts: Starts): WantedRow[] {
  const e = new Expansion(g);
  const rows: WantedRow[] = [];
  g.nodes.forEach((n, id) => {
    const at = wireKey(g.wire[id] as number);
    const arg = (i: number): Sum => e.of(n.args[i] as number);
    const push = (a: Sum, b: Sum, c: Sum, overField = false): void => void rows.push({ a, b, c, overField, node: id });
    const boolean = (key: number): void => push(unit(key), plus(unit(key), unit(0), -1n), none);
    if ((n.op === "lin" || n.op === "field") && n.wire) push(none, none, plus(unit(at), e.defined(id), -1n));
    if (n.op === "mul") push(arg(0), arg(1), unit(at));
    if (n.op === "ge") boolean(at);
    if (n.op === "bits") {
      let sum = plus(arg(0), unit(0), n.c);
      for (let i = 0; i < (n.n[0] as number); i++) {
        boolean(at + i);
        sum = plus(sum, unit(at + i), -(1n << BigInt(i)));
      }
      push(none, none, sum);
    }
    if (n.op === "relu") {
      const bits = g.nodes[n.args[0] as number] as Node;
      const base = wireKey(g.wire[n.args[0] as number] as number);
      const top = (bits.n[0] as number) - 1;
      demand(bits.c === 1n << BigInt(top), "rows", () => `node ${id}: a rectifier whose sign digit is not at zero`);
      let kept: Sum = none;
      for (let i = n.n[0] as number; i < top; i++) kept = plus(kept, unit(base + i), 1n << BigInt(i - (n.n[0] as number)));
      push(unit(base + top), kept, unit(at));
    }
    if (n.op === "eqz") {
      push(unit(at), arg(0), plus(unit(0), unit(at + 1), -1n), true);
      push(unit(at + 1), arg(0), none, true);
      push(unit(at), unit(at + 1), none, true);
    }
    if (n.op === "zero") {
      const last = n.args.length - 1;
      if (last === 0) push(none, none, arg(0));
      for (let i = 1; i <= last; i++) push(i === 1 ? arg(0) : unit(at + i - 2), arg(i), i === last ? none : unit(at + i - 1), true);
    }
  });
  for (const [side, lanes] of [["in", g.inputs], ["out", g.outputs], ["weights", g.weights]] as const) {
    const words = new Map<number, Sum>();
    for (const l of lanes) {
      const v = plus(plus(words.get(l.word) ?? none, e.of(l.node), 1n << BigInt(l.shift)), unit(0), -(l.lo << BigInt(l.shift)));
      words.set(l.word, v);
    }
    for (const [word, sum] of words) {
      // With a hash, each word is a wire: salt first, then the words.
      const start = starts[side];
      const target = start === undefined ? wordKey(side, word) : wireKey(start + 1 + word);
      rows.push({ a: none, b: none, c: plus(sum, unit(target), -1n), overField: false, node: -1 });
    }
  }
  return rows;
}

/** One spelling for rows that say the same: signs and the order of factors do not matter. */
export function spelling(r: { a: Sum; b: Sum; c: Sum }): string {
  const text = (s: Sum): string => [...s].filter(([, k]) => k !== 0n).sort((x, y) => x[0] - y[0]).map(([key, k]) => `${key}:${k}`).join();
  const lead = (s: Sum): bigint => {
    let best: [number, bigint] | undefined;
    for (const [key, k] of s) if (k !== 0n && (!best || key < best[0])) best = [key, k];
    return best?.[1] ?? 0n;
  };
  const signed = (s: Sum): [string, boolean] => (lead(s) < 0n ? [text(new Map([...s].map(([key, k]) => [key, -k]))), true] : [text(s), false]);
  const constant = (s: Sum): boolean => s.size === 0 || (s.size === 1 && s.has(0));
  if (constant(r.a)) return `0|${signed(plus(r.c, r.b, -(r.a.get(0) ?? 0n)))[0]}`;
  if (constant(r.b)) return `0|${signed(plus(r.c, r.a, -(r.b.get(0) ?? 0n)))[0]}`;
  const [a, x] = signed(r.a);
  const [b, y] = signed(r.b);
  const [c, z] = signed(r.c);
  const flipped = c === "" ? "" : x !== y !== z ? "-" : "+";
  return `${[a, b].sort().join("*")}=${flipped}${c}`;
}

/**
 * Lifting (soundness): the two sides of each row differ by less than the field, so the row is an identity between integers. The intervals
 * are those that the rows themselves enforce (digits, and what follows from digits), not the ones the graph claims.
 */
export function checkLifting(g: PublishedGraph, rows: readonly WantedRow[], starts: Starts): { lifted: number; overField: number } {
  const range = enforcedRanges(g, starts);
  const of = (s: Sum): Range | undefined => {
    const keys = [...s.keys()];
    const all = keys.map((k) => (k === 0 ? { lo: 1n, hi: 1n } : range.get(k)));
    return all.every((r) => r !== undefined) ? weighted([...s.values()], all as Range[], 0n) : undefined;
  };
  let overField = 0;
  for (const r of rows) {
    if (r.overField) {
      overField += 1;
      continue;
    }
    const [a, b, c] = [of(r.a), of(r.b), of(r.c)];
    demand(a !== undefined && b !== undefined && c !== undefined, "lifting", () => `a row of node ${r.node} has a wire without a range`);
    const p = product(a as Range, b as Range);
    const [lo, hi] = [p.lo - (c as Range).hi, p.hi - (c as Range).lo];
    demand(hi < PRIME && -lo < PRIME, "lifting", () => `a row of node ${r.node} spans [${lo}, ${hi}]`);
  }
  return { lifted: rows.length - overField, overField };
}

/** Ranges of wires from digits up. Hints have the range of their own digits, a maximum that of its differences. */
function enforcedRanges(g: PublishedGraph, starts: Starts): Map<number, Range> {
  const range = new Map<number, Range>();
  const node: (Range | undefined)[] = new Array<Range | undefined>(g.nodes.length);
  const digits = new Map<number, Range>();
  g.nodes.forEach((n) => {
    if (n.op !== "bits") return;
    // x + c = sum of digits: also for the one wire that x may be a shifted copy of.
    const r = { lo: -n.c, hi: (1n << BigInt(n.n[0] as number)) - 1n - n.c };
    const old = digits.get(n.args[0] as number);
    digits.set(n.args[0] as number, old ? { lo: r.lo > old.lo ? r.lo : old.lo, hi: r.hi < old.hi ? r.hi : old.hi } : r);
  });
  const sandwiched = thermometerInputs(g, digits);
  const maxima = maximumRanges(g, digits, node);
  g.nodes.forEach((n, id) => {
    const arg = (i: number): Range => node[n.args[i] as number] ?? { lo: 0n, hi: 0n };
    let r: Range | undefined;
    switch (n.op) {
      case "lin":
        r = weighted(n.k, n.args.map((_, i) => arg(i)), n.c);
        break;
      case "mul": {
        const p = product(arg(0), arg(1));
        r = n.args[0] === n.args[1] && p.lo < 0n ? { lo: 0n, hi: p.hi } : p;
        break;
      }
      case "bit":
      case "ge":
      case "eqz":
        r = { lo: 0n, hi: 1n };
        break;
      case "field":
        r = { lo: 0n, hi: (1n << BigInt((n.n[1] as number) - (n.n[0] as number))) - 1n };
        break;
      case "relu":
        r = { lo: 0n, hi: (1n << BigInt(((g.nodes[n.args[0] as number] as Node).n[0] as number) - 1 - (n.n[0] as number))) - 1n };
        break;
      case "bound":
        r = arg(0);
        break;
      case "max":
        r = maxima(id);
        break;
      default:
        r = digits.get(id) ?? sandwiched.get(id);
    }
    // Digits of a sum bound the sum as well.
    const own = digits.get(id);
    if (r && own) r = { lo: own.lo > r.lo ? own.lo : r.lo, hi: own.hi < r.hi ? own.hi : r.hi };
    node[id] = r;
    const at = g.wire[id] as number;
    if (at < 0) return;
    if (n.op === "bits") for (let i = 0; i < (n.n[0] as number); i++) range.set(wireKey(at + i), { lo: 0n, hi: 1n });
    else if (n.op === "eqz") range.set(wireKey(at + 1), { lo: 0n, hi: 1n });
    else if (r) range.set(wireKey(at), r);
  });
  const words = (lanes: PublishedGraph["inputs"], key: (i: number) => number): void => {
    for (const l of lanes) {
      const v = node[l.node];
      const old = range.get(key(l.word)) ?? { lo: 0n, hi: 0n };
      if (v) range.set(key(l.word), { lo: old.lo + ((v.lo - l.lo) << BigInt(l.shift)), hi: old.hi + ((v.hi - l.lo) << BigInt(l.shift)) });
    }
  };
  for (const [side, lanes] of [["in", g.inputs], ["out", g.outputs], ["weights", g.weights]] as const) {
    const start = starts[side];
    words(lanes, (i) => (start === undefined ? wordKey(side, i) : wireKey(start + 1 + i)));
  }
  return range;
}

/** A value whose digits are only those of its distances to thresholds: x >= lo and x <= hi follow from the two sandwich rows. */
function thermometerInputs(g: PublishedGraph, digits: ReadonlyMap<number, Range>): Map<number, Range> {
  const out = new Map<number, Range>();
  g.nodes.forEach((n, id) => {
    const inner = n.op === "bound" && n.rule === "thermometer" && digits.get(id)?.lo === 0n ? (g.nodes[n.args[0] as number] as Node) : undefined;
    if (!inner) return;
    const flags = new Set(n.args.slice(1));
    const own = inner.args.findIndex((a) => !flags.has(a));
    const x = inner.args[own] as number;
    const k = inner.k[own] as bigint;
    const rest = inner.args.reduce((sum, a, i) => (flags.has(a) && (inner.k[i] as bigint) > 0n ? sum + (inner.k[i] as bigint) : sum), inner.c);
    const old = out.get(x) ?? { lo: -PRIME, hi: PRIME };
    // k = 1: x >= -c; k = -1: x <= c + all steps.
    out.set(x, k === 1n ? { lo: -inner.c, hi: old.hi } : { lo: old.lo, hi: rest });
  });
  return out;
}

/** m - x_j has digits: m lies within x_j plus what they can spell. */
function maximumRanges(g: PublishedGraph, digits: ReadonlyMap<number, Range>, node: (Range | undefined)[]): (id: number) => Range | undefined {
  const byHint = new Map<number, { own: Range; rest: { k: bigint; of: number }[]; c: bigint }[]>();
  g.nodes.forEach((n, id) => {
    const own = n.op === "bound" && n.rule === "below-max" ? digits.get(id) : undefined;
    const sum = own ? (g.nodes[n.args[0] as number] as Node) : undefined;
    if (!own || !sum) return;
    const hint = n.args[1] as number;
    const rest = sum.args.map((of, i) => ({ k: sum.k[i] as bigint, of })).filter((t) => t.of !== hint);
    byHint.set(hint, [...(byHint.get(hint) ?? []), { own, rest, c: sum.c }]);
  });
  return (id) => {
    for (const d of byHint.get(id) ?? []) {
      const all = d.rest.map((t) => node[t.of]);
      if (all.some((r) => !r)) continue;
      const r = weighted(d.rest.map((t) => -t.k), all as Range[], -d.c);
      return { lo: r.lo + d.own.lo, hi: r.hi + d.own.hi };
    }
    return undefined;
  };
}
