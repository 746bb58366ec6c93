/**
 * An error as a first-order form: sum k_i e_i + sum d_j u_j + offset, give or take `rest`. The e_i are errors that steps before it made,
 * the u_j what their integer values differ from a fixed one (a rounded weight multiplies the value, not its error).
 * Symbols are shared: what two neurons have in common cancels where a later sum takes one from the other.
 */
export interface Form {
  readonly idx: Int32Array;
  readonly k: Float64Array;
  readonly valueIdx: Int32Array;
  readonly d: Float64Array;
  readonly offset: number;
  readonly rest: number;
  /** What plain intervals make of it: the room that rounding of the coefficients themselves needs is a part of this. */
  readonly gross: number;
}

/** A sum of forms takes on this share of its gross: 2^13 terms at 2^-53 each. */
const DRIFT = 2 ** -40;
/** Bounds are sums of up to 2^20 products of doubles. */
const SLACK = 1 + 2 ** -30;

const none = { int: new Int32Array(0), float: new Float64Array(0) };

/**
 * Symbols in groups. Of each symbol e its bound |e| <= b is known, and of each group the norm sqrt(sum e^2) <= rho: the errors of a layer
 * cannot all be largest in the one direction that the next layer amplifies most, and the norm is what says so.
 */
export class Symbols {
  readonly #bound: number[] = [];
  readonly #half: number[] = [];
  readonly #group: number[] = [];
  readonly #squares: number[] = [];
  readonly #halves: number[] = [];
  readonly #norm: number[] = [];
  readonly #valueNorm: number[] = [];
  #k = new Float64Array(1024);
  #d = new Float64Array(1024);

  group(): number {
    this.#squares.push(0);
    this.#halves.push(0);
    this.#valueNorm.push(Infinity);
    return this.#norm.push(Infinity) - 1;
  }

  /** @param half Half the width of the value's interval. */
  add(group: number, bound: number, half = 0): number {
    this.#squares[group] = (this.#squares[group] as number) + bound * bound;
    this.#halves[group] = (this.#halves[group] as number) + half * half;
    this.#bound.push(bound);
    this.#half.push(half);
    const id = this.#group.push(group) - 1;
    if (id >= this.#k.length) {
      this.#k = grown(this.#k);
      this.#d = grown(this.#d);
    }
    return id;
  }

  /** A norm of the group that is proved in another way. */
  limit(group: number, norm: number): void {
    this.#norm[group] = Math.min(this.#norm[group] as number, norm);
  }

  norm(group: number): number {
    return Math.min(this.#norm[group] as number, Math.sqrt(this.#squares[group] as number) * SLACK);
  }

  limitValues(group: number, norm: number): void {
    this.#valueNorm[group] = Math.min(this.#valueNorm[group] as number, norm);
  }

  valueNorm(group: number): number {
    return Math.min(this.#valueNorm[group] as number, Math.sqrt(this.#halves[group] as number) * SLACK);
  }

  groupOf(symbol: number): number {
    return this.#group[symbol] as number;
  }

  symbol(id: number): Form {
    return { idx: Int32Array.of(id), k: Float64Array.of(1), valueIdx: none.int, d: none.float, offset: 0, rest: 0, gross: this.#bound[id] as number };
  }

  /** sum w_i form_i + sum drift_j u_(value_j) + offset, off by at most `rest` more. */
  sum(forms: readonly Form[], w: readonly number[], value: { readonly ids: readonly number[]; readonly drift: readonly number[] }, offset: number, rest: number): Form {
    const idx: number[] = [];
    const valueIdx: number[] = [];
    let gross = Math.abs(offset) + rest;
    let [at, left] = [offset, rest];
    forms.forEach((f, i) => {
      const k = w[i] as number;
      if (k === 0) return;
      gather(f.idx, f.k, k, this.#k, idx);
      gather(f.valueIdx, f.d, k, this.#d, valueIdx);
      at += k * f.offset;
      left += Math.abs(k) * f.rest;
      gross += Math.abs(k) * f.gross;
    });
    gather(value.ids, value.drift, 1, this.#d, valueIdx);
    for (let i = 0; i < value.ids.length; i++) gross += Math.abs(value.drift[i] as number) * (this.#half[value.ids[i] as number] as number);
    const made = { idx: Int32Array.from(idx), k: taken(idx, this.#k), valueIdx: Int32Array.from(valueIdx), d: taken(valueIdx, this.#d) };
    return { ...made, offset: at, rest: left + DRIFT * gross, gross: gross * (1 + DRIFT) };
  }

  /** Bound of a form: in each group the smaller of what the bounds and what the norm say. */
  bound(f: Form): number {
    const norms = this.#parts(f.idx, f.k, this.#bound, (g) => this.norm(g));
    const values = this.#parts(f.valueIdx, f.d, this.#half, (g) => this.valueNorm(g));
    const made = (norms + values + Math.abs(f.offset) + f.rest) * SLACK;
    // What is not a number came of infinity.
    return Number.isNaN(made) ? Infinity : made;
  }

  #parts(idx: Int32Array, k: Float64Array, bounds: readonly number[], norm: (group: number) => number): number {
    const sums = new Map<number, { plain: number; squares: number }>();
    let last: { plain: number; squares: number } | undefined;
    let group = -1;
    for (let i = 0; i < idx.length; i++) {
      const v = k[i] as number;
      if (v === 0) continue;
      const id = idx[i] as number;
      const own = this.#group[id] as number;
      if (own !== group || !last) {
        group = own;
        last = sums.get(group) ?? { plain: 0, squares: 0 };
        sums.set(group, last);
      }
      last.plain += Math.abs(v) * (bounds[id] as number);
      last.squares += v * v;
    }
    let total = 0;
    for (const [g, s] of sums) total += Math.min(s.plain, Math.sqrt(s.squares) * norm(g));
    return total;
  }
}

function grown(a: Float64Array): Float64Array<ArrayBuffer> {
  const b = new Float64Array(a.length * 2);
  b.set(a);
  return b;
}

/** Adds to a dense scratch array; `seen` collects where. Zeros may be listed twice: they are taken once. */
function gather(idx: ArrayLike<number>, k: ArrayLike<number>, factor: number, into: Float64Array, seen: number[]): void {
  for (let i = 0; i < idx.length; i++) {
    const at = idx[i] as number;
    if (into[at] === 0) seen.push(at);
    into[at] = (into[at] as number) + factor * (k[i] as number);
  }
}

function taken(idx: readonly number[], from: Float64Array): Float64Array {
  return Float64Array.from(idx, (at) => {
    const v = from[at] as number;
    from[at] = 0;
    return v;
  });
}
