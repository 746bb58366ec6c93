import { add, isEmpty, loneWire, unsigned, type Linear, type LinearRow, type OneHot, type ProductRow } from "./system.ts";

/**
 * Selectors: sum s_i = 1 and s_i (x - c_i) = 0 with distinct c_i. At most one factor x - c_i is zero in the field, so at most one s_i is
 * not, and that one is 1: the selectors are flags, and functions of x. Distinct constants below the field are distinct in it.
 */
export function oneHots(linear: readonly LinearRow[], products: readonly ProductRow[]): OneHot[] {
  const factors = new Map<number, { f: Linear; row: number }[]>();
  for (const p of products) {
    if (!isEmpty(p.c)) continue;
    for (const [x, y] of [[p.a, p.b], [p.b, p.a]] as const) {
      const s = loneWire(unsigned(x));
      if (s === undefined || y.terms.has(s)) continue;
      const list = factors.get(s) ?? [];
      factors.set(s, list);
      list.push({ f: unsigned(y), row: p.row });
    }
  }
  const out: OneHot[] = [];
  for (const { form } of linear) {
    const wires = [...form.terms.keys()];
    const [first] = form.terms.values();
    if (wires.length < 2 || first === undefined || form.c !== -first || ![...form.terms.values()].every((k) => k === first)) continue;
    for (const start of factors.get(wires[0] as number) ?? []) {
      const chosen = wires.map((w) => (factors.get(w) ?? []).find((c) => add(c.f, start.f, -1n).terms.size === 0));
      if (chosen.some((c) => c === undefined)) continue;
      const list = chosen as { f: Linear; row: number }[];
      if (new Set(list.map((c) => c.f.c)).size !== list.length) continue;
      out.push({ index: start.f, selectors: wires, rows: list.map((c) => c.row) });
      break;
    }
  }
  return out;
}
