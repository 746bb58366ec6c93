/**
 * The canonical integer graph: what a proof is about. Every node is an exact function over the integers, its interval holds for every
 * admissible input, and it says how it becomes rows:
 *
 * | op    | meaning                                              | rows |
 * |-------|------------------------------------------------------|------|
 * | input | lane `n[0]` of the input, within [lo, hi]            | 0 (a `bits` node or a `ge` sandwich does the range check) |
 * | lin   | sum k_i x_i + c                                      | 0, or 1 if `wire` |
 * | mul   | x y                                                  | 1 |
 * | bits  | binary digits of x + c, `n[0]` of them               | n + 1 |
 * | bit   | digit `n[0]` of a `bits` node                        | 0 |
 * | field | digits n[0] .. n[1]-1 as a number                    | 0, or 1 if `wire` |
 * | relu  | c = 2^(B-1): (x >> n[0]) if x >= 0, else 0           | 1 |
 * | eqz   | 1 if x = 0, else 0; its inverse hint is pinned       | 3 |
 * | zero  | asserts that the product of its arguments is 0       | arguments - 1 |
 * | max, div, isqrt, rsqrt, ge | hints: a wire that later rows determine | 0 (ge: 1) |
 * | bound | the same value, a tighter interval, by rule          | 0 |
 */
export type IntOp =
  | "input" | "lin" | "mul" | "bits" | "bit" | "field" | "relu" | "eqz" | "zero" | "max" | "div" | "isqrt" | "rsqrt" | "ge" | "bound";

export interface IntNode {
  readonly id: number;
  readonly op: IntOp;
  readonly args: readonly number[];
  readonly k: readonly bigint[];
  readonly c: bigint;
  readonly n: readonly number[];
  readonly lo: bigint;
  readonly hi: bigint;
  readonly layer: number;
  /** Rule of a bound. */
  readonly rule: string;
  /** Sums and fields only: has a wire of its own. */
  wire: boolean;
}

export const bitLength = (v: bigint): number => (v === 0n ? 0 : v.toString(2).length - (v < 0n ? 1 : 0));

/** Least B with -2^(B-1) <= lo and hi < 2^(B-1). */
export function signedBits(lo: bigint, hi: bigint): number {
  const low = lo < 0n ? bitLength(-lo - 1n) : 0;
  const high = hi > 0n ? bitLength(hi) : 0;
  return Math.max(low, high) + 1;
}

type Extra = Partial<Pick<IntNode, "k" | "c" | "n" | "rule" | "wire">>;
const CSE_TERMS = 256;

/** Builds nodes with their intervals; equal nodes are one node. */
export class IntBuilder {
  readonly nodes: IntNode[] = [];
  layer = 0;
  /** Rows of the nodes so far, dead ones included. */
  rows = 0;
  readonly #known = new Map<string, number>();

  at(id: number): IntNode {
    return this.nodes[id] as IntNode;
  }

  make(op: IntOp, args: readonly number[], lo: bigint, hi: bigint, extra: Extra = {}): number {
    const { k = [], c = 0n, n = [], rule = "", wire = false } = extra;
    const key = args.length <= CSE_TERMS ? `${op}|${args.join()}|${k.join()}|${c}|${n.join()}|${rule}|${rule ? `${lo}:${hi}` : ""}` : "";
    const known = key ? this.#known.get(key) : undefined;
    if (known !== undefined) return known;
    const id = this.nodes.push({ id: this.nodes.length, op, args, k, c, n, lo, hi, layer: this.layer, rule, wire }) - 1;
    if (key) this.#known.set(key, id);
    this.rows += op === "bits" ? (n[0] as number) + 1 : op === "eqz" ? 3 : op === "mul" || op === "relu" ? 1 : 0;
    return id;
  }

  input(lane: number, lo: bigint, hi: bigint): number {
    return this.make("input", [], lo, hi, { n: [lane], wire: true });
  }

  constant(c: bigint): number {
    return this.make("lin", [], c, c, { c });
  }

  lin(args: readonly number[], k: readonly bigint[], c: bigint = 0n): number {
    const merged = new Map<number, bigint>();
    for (let i = 0; i < args.length; i++) {
      const a = this.at(args[i] as number);
      const f = k[i] as bigint;
      if (f === 0n) continue;
      if (a.op === "lin" && a.args.length <= 1) {
        // A shifted or scaled copy is never worth a node of its own.
        c += f * a.c;
        if (a.args.length === 1) merged.set(a.args[0] as number, (merged.get(a.args[0] as number) ?? 0n) + f * (a.k[0] as bigint));
      } else merged.set(a.id, (merged.get(a.id) ?? 0n) + f);
    }
    const ids: number[] = [];
    const coefficients: bigint[] = [];
    let lo = c;
    let hi = c;
    for (const [id, f] of merged) {
      if (f === 0n) continue;
      ids.push(id);
      coefficients.push(f);
      const { lo: l, hi: h } = this.at(id);
      lo += f > 0n ? f * l : f * h;
      hi += f > 0n ? f * h : f * l;
    }
    if (ids.length === 1 && coefficients[0] === 1n && c === 0n) return ids[0] as number;
    return this.make("lin", ids, lo, hi, { k: coefficients, c });
  }

  mul(a: number, b: number): number {
    const x = this.at(a);
    const y = this.at(b);
    if (x.lo === x.hi) return this.lin([b], [x.lo]);
    if (y.lo === y.hi) return this.lin([a], [y.lo]);
    const corners = [x.lo * y.lo, x.lo * y.hi, x.hi * y.lo, x.hi * y.hi];
    let lo = corners.reduce((p, q) => (q < p ? q : p));
    const hi = corners.reduce((p, q) => (q > p ? q : p));
    if (a === b && lo < 0n) lo = 0n;
    return this.make("mul", a <= b ? [a, b] : [b, a], lo, hi, { wire: true });
  }

  bits(x: number, offset: bigint, width: number): number {
    const { lo, hi } = this.at(x);
    if (lo + offset < 0n || hi + offset >= 1n << BigInt(width)) throw new RangeError(`[${lo}, ${hi}] + ${offset} does not fit ${width} bits`);
    return this.make("bits", [x], 0n, 0n, { c: offset, n: [width] });
  }

  /** Two's complement with the top digit flipped: 1 for x >= 0. */
  signed(x: number): number {
    const { lo, hi } = this.at(x);
    const width = signedBits(lo, hi);
    return this.bits(x, 1n << BigInt(width - 1), width);
  }

  bit(bits: number, i: number): number {
    return this.make("bit", [bits], 0n, 1n, { n: [i] });
  }

  field(bits: number, from: number, to: number): number {
    if (to <= from) return this.constant(0n);
    const node = this.at(bits);
    const x = this.at(node.args[0] as number);
    const full = to === node.n[0];
    const lo = full ? (x.lo + node.c) >> BigInt(from) : 0n;
    const hi = full ? (x.hi + node.c) >> BigInt(from) : (1n << BigInt(to - from)) - 1n;
    if (to - from === 1 && !full) return this.bit(bits, from);
    return this.make("field", [bits], lo, hi, { n: [from, to] });
  }

  relu(bits: number, shift: number): number {
    const { hi } = this.at(this.at(bits).args[0] as number);
    return this.make("relu", [bits], 0n, hi > 0n ? hi >> BigInt(shift) : 0n, { n: [shift], wire: true });
  }

  eqz(x: number): number {
    const { lo, hi } = this.at(x);
    if (lo > 0n || hi < 0n) return this.constant(0n);
    if (lo === 0n && hi === 0n) return this.constant(1n);
    return this.make("eqz", [x], 0n, 1n);
  }

  /** A wire that no row computes but later rows determine. */
  hint(op: "max" | "div" | "isqrt" | "rsqrt" | "ge", args: readonly number[], lo: bigint, hi: bigint, c: bigint = 0n, n: readonly number[] = []): number {
    return this.make(op, args, lo, hi, { c, n, wire: true });
  }

  zero(factors: readonly number[]): number {
    return this.make("zero", factors, 0n, 0n);
  }

  /** Intersects the interval with a proved one; `because` are further nodes that the rule speaks of. */
  bound(x: number, rule: string, lo: bigint, hi: bigint, because: readonly number[] = [], n: readonly number[] = []): number {
    const node = this.at(x);
    const low = lo > node.lo ? lo : node.lo;
    const high = hi < node.hi ? hi : node.hi;
    if (low === node.lo && high === node.hi) return x;
    return this.make("bound", [x, ...because], low, high, { rule, n });
  }
}
