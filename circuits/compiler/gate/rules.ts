import { add, isEmpty as empty, keyOf as key, loneWire as lone, negate, same, unsigned, type Fact, type Linear, type ProductRow } from "./system.ts";
import type { Uniqueness } from "./uniqueness.ts";

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

/** R3: x inv = 1 - out, x out = 0, inv out = 0 with x known. The third row pins the inverse where x is zero. */
export function isZero(u: Uniqueness): number[] {
  const fresh: number[] = [];
  for (const z of u.system.zeros) {
    if (u.known.has(z.out) || u.unknown(z.x).length > 0) continue;
    // Zero in the field must be zero as an integer.
    const v = u.intervals.range(z.x);
    if (!v || v.hi >= u.system.prime || -v.lo >= u.system.prime) continue;
    for (const r of z.rows) u.inverse.add(r);
    fresh.push(...u.learn("R3", [z.inv, z.out]));
  }
  return fresh;
}

/**
 * R4: the product of (m - x_j) is zero and every factor has a range fact: m is the largest x_j. A factor may have a wire of its own. The
 * product itself is over the field, where no factor short of zero makes it zero: its rows need no lifting.
 */
export function maximum(u: Uniqueness): number[] {
  const fresh: number[] = [];
  const facts = new Set(u.system.facts.map((f) => key(f.form)));
  const definitions = new Map<number, Linear[]>();
  for (const { form } of u.system.linear) {
    const open = u.unknown(form);
    if (open.length === 2) for (const w of open) append(definitions, w, form);
  }
  const factor = (given: Linear): number | undefined => {
    const open = u.unknown(given);
    const w = open[0];
    if (open.length !== 1 || w === undefined) return undefined;
    const f = (given.terms.get(w) as bigint) < 0n ? negate(given) : given;
    if (f.terms.get(w) !== 1n || !facts.has(key(f))) return undefined;
    if (lone(f) === undefined) return w;
    // d = m - x: the unknown behind the factor's own wire.
    for (const d of definitions.get(w) ?? []) {
      const m = u.unknown(d).find((v) => v !== w);
      if (m !== undefined && !u.system.booleans.has(m) && (d.terms.get(m) as bigint) === -(d.terms.get(w) as bigint)) return m;
    }
    return undefined;
  };
  const byLeft = new Map<number, ProductRow>();
  for (const p of u.system.products) {
    // The running product stands on either side.
    for (const [x, y] of [[p.a, p.b], [p.b, p.a]] as const) {
      const left = lone(unsigned(x));
      if (left !== undefined && !u.known.has(left)) byLeft.set(left, { ...p, a: x, b: y });
    }
  }
  for (const p of u.system.products) {
    const m = factor(p.a);
    if (m === undefined || u.known.has(m) || factor(p.b) !== m) continue;
    const rows = [p.row];
    let at: ProductRow | undefined = p;
    while (at && !empty(at.c)) {
      const next: number | undefined = lone(unsigned(at.c));
      at = next === undefined ? undefined : byLeft.get(next);
      if (at && factor(at.b) !== m) at = undefined;
      if (at) rows.push(at.row);
    }
    if (!at) continue;
    for (const r of rows) u.inverse.add(r);
    fresh.push(...u.learn("R4", [m]));
  }
  return fresh;
}

/** Pairs of facts F >= 0, G >= 0 in which `t` stands with coefficient -1 and 1: what lies between them is pinned. */
function pairs(facts: readonly Fact[], t: number): [Linear, Linear][] {
  const minus = facts.filter((f) => f.form.terms.get(t) === -1n);
  const plus = facts.filter((f) => f.form.terms.get(t) === 1n);
  return minus.flatMap((m) => plus.map((p): [Linear, Linear] => [m.form, p.form]));
}

/**
 * R5: t = q b, a - t >= 0 and b - 1 - a + t >= 0, so q = floor(a / b). R6: t = r r with v - t >= 0 and 2r - v + t >= 0, so r = floor(sqrt v);
 * u = r v, t = r u with K - t >= 0 and t + 2u + v - 1 - K >= 0, so r = floor(sqrt(K / v)). The two facts must sum, term by term, to
 * b - 1, 2r and 2u + v - 1; the hint itself must be range-checked to be no negative twin.
 */
export function divisionOrRoot(u: Uniqueness): number[] {
  const fresh: number[] = [];
  const byWire = new Map<number, Fact[]>();
  for (const f of u.system.facts) {
    // Only facts about wires that are still open can help.
    for (const w of f.form.terms.keys()) if (!u.known.has(w)) append(byWire, w, f);
  }
  const ranged = (w: number): boolean => (byWire.get(w) ?? []).some((f) => f.form.terms.size === 1 && f.form.terms.get(w) === 1n);
  const notNegative = (w: number): boolean => (u.intervals.get(w)?.lo ?? -1n) >= 0n;
  const products = new Map<number, ProductRow>();
  for (const p of u.system.products) {
    const t = lone(p.c);
    if (t !== undefined) products.set(t, p);
  }
  const knownExcept = (f: Linear, wires: readonly number[]): boolean => u.unknown(f).every((w) => wires.includes(w));
  for (const [t, p] of products) {
    if (u.known.has(t)) continue;
    const sides = [[p.a, p.b], [p.b, p.a]] as const;
    for (const [hint, other] of sides) {
      const q = lone(hint);
      if (q === undefined || u.known.has(q) || !ranged(q)) continue;
      const proved = pairs(byWire.get(t) ?? [], t).some(([f, g]) => {
        const total = add(f, g, 1n);
        // Division: the divisor is known; two facts that sum to b - 1 also say that it is positive.
        if (u.unknown(other).length === 0) return knownExcept(f, [t]) && same(total, { terms: other.terms, c: other.c - 1n });
        if (!notNegative(q)) return false;
        // Square root: t = q q.
        if (lone(other) === q) return knownExcept(f, [t]) && same(total, { terms: new Map([[q, 2n]]), c: 0n });
        // Inverse square root: t = q w, w = q v.
        const w = lone(other);
        const inner = w === undefined ? undefined : products.get(w);
        if (!inner || w === undefined) return false;
        const v = lone(inner.a) === q ? inner.b : lone(inner.b) === q ? inner.a : undefined;
        // Likewise (2r + 1) v >= 1 makes the radicand positive.
        if (!v || u.unknown(v).length > 0) return false;
        const want = add({ terms: new Map([[w, 2n]]), c: -1n }, v, 1n);
        return knownExcept(f, [t]) && same(total, want);
      });
      if (proved) fresh.push(...u.learn(lone(other) === q || u.unknown(other).length > 0 ? "R6" : "R5", [q]));
    }
  }
  return fresh;
}

/** R8: selectors of a known index. Their products are zero over the field: those rows need no lifting. */
export function oneHot(u: Uniqueness): number[] {
  const fresh: number[] = [];
  for (const h of u.system.oneHots) {
    if (u.unknown(h.index).length > 0) continue;
    for (const r of h.rows) u.inverse.add(r);
    fresh.push(...u.learn("R8", h.selectors));
  }
  return fresh;
}

/** R7: monotone flags and a value sandwiched between what they select; the n + 1 intervals must not meet. */
export function thermometer(u: Uniqueness): number[] {
  const fresh: number[] = [];
  const below = new Map<number, number>();
  for (const p of u.system.products) {
    if (!empty(p.c)) continue;
    for (const [x, y] of [[p.a, p.b], [p.b, p.a]] as const) {
      const high = lone(unsigned(x));
      const other = unsigned(y);
      const [low, k] = [...other.terms][0] ?? [-1, 0n];
      // high (1 - low) = 0: the higher flag implies the lower one.
      if (high !== undefined && other.terms.size === 1 && other.c === -1n && k === 1n) below.set(high, low);
    }
  }
  const groups = new Map<string, Fact[]>();
  for (const f of u.system.facts) {
    const open = u.unknown(f.form);
    if (open.length < 2 || !open.every((w) => u.system.booleans.has(w))) continue;
    const name = open.sort((a, b) => a - b).join();
    append(groups, name, f);
  }
  for (const facts of groups.values()) {
    for (const f of facts) for (const g of facts) fresh.push(...sandwich(u, f, g, below));
  }
  return fresh;
}

function sandwich(u: Uniqueness, f: Fact, g: Fact, below: ReadonlyMap<number, number>): number[] {
  const flags = u.unknown(f.form);
  if (f === g || flags.length < 2) return [];
  const set = new Set(flags);
  const top = flags.filter((w) => !flags.some((v) => below.get(v) === w));
  if (top.length !== 1) return [];
  const chain: number[] = [];
  for (let w = top[0]; w !== undefined && set.has(w); w = below.get(w)) chain.unshift(w);
  if (chain.length !== flags.length) return [];
  const strip = (l: Linear): Linear => ({ terms: new Map([...l.terms].filter(([w]) => !set.has(w))), c: 0n });
  if (!same(strip(f.form), add({ terms: new Map(), c: 0n }, strip(g.form), -1n))) return [];
  // x + c_f + sum f_k t_k >= 0 and -x + c_g + sum g_k t_k >= 0: with j flags set, x lies in [low_j, high_j].
  let [low, high] = [-f.form.c, g.form.c];
  for (const w of chain) {
    const previous = high;
    low -= f.form.terms.get(w) as bigint;
    high += g.form.terms.get(w) as bigint;
    if (low <= previous) return [];
  }
  return u.learn("R7", chain);
}
