import type { Linear, ProductRow } from "./system.ts";
import type { Uniqueness } from "./uniqueness.ts";

/** Assignments that one wire may cost; all rules before this one are cheaper. */
const MAX_CASES = 1 << 14;

interface Row {
  readonly a?: Linear;
  readonly b?: Linear;
  readonly c: Linear;
}

/** Wires that have rows in which nothing else is open, with those rows. */
function candidates(u: Uniqueness): Map<number, Row[]> {
  const rows = new Map<number, Row[]>();
  const consider = (row: Row, forms: readonly Linear[]): void => {
    const open = new Set(forms.flatMap((f) => u.unknown(f)));
    const [w] = open;
    if (open.size !== 1 || w === undefined) return;
    const list = rows.get(w) ?? [];
    rows.set(w, list);
    list.push(row);
  };
  for (const l of u.system.linear) consider({ c: l.form }, [l.form]);
  for (const p of u.system.products as readonly ProductRow[]) consider(p, [p.a, p.b, p.c]);
  return rows;
}

const formsOf = (r: Row): Linear[] => [r.a, r.b, r.c].filter((f): f is Linear => f !== undefined);

/**
 * R9: a wire of a small proved interval that stands alone in some rows with known wires of small intervals. Every value of those is tried:
 * where each leaves at most one value for the wire, the rows determine it. Evaluated in the field, so that nothing needs lifting.
 */
export function enumerated(u: Uniqueness): number[] {
  const fresh: number[] = [];
  for (const [wire, rows] of candidates(u)) {
    const own = u.intervals.get(wire);
    if (!own || u.known.has(wire)) continue;
    const known = [...new Set(rows.flatMap((r) => formsOf(r).flatMap((f) => [...f.terms.keys()])))].filter((w) => w !== wire);
    const ranges = known.map((w) => u.intervals.get(w));
    if (ranges.some((v) => v === undefined)) continue;
    const sizes = [own, ...ranges].map((v) => (v?.hi ?? 0n) - (v?.lo ?? 0n) + 1n);
    if (sizes.reduce((n, s) => n * s, 1n) > BigInt(MAX_CASES)) continue;
    if (determined(u.system.prime, wire, rows, known, [own, ...ranges] as { lo: bigint; hi: bigint }[])) fresh.push(...u.learn("R9", [wire]));
  }
  return fresh;
}

function determined(prime: bigint, wire: number, rows: readonly Row[], known: readonly number[], ranges: readonly { lo: bigint; hi: bigint }[]): boolean {
  const value = new Map<number, bigint>();
  const at = (f: Linear | undefined): bigint => (f ? [...f.terms].reduce((s, [w, k]) => s + k * (value.get(w) as bigint), f.c) : 0n);
  const holds = (): boolean => rows.every((r) => (at(r.a) * at(r.b) - at(r.c)) % prime === 0n);
  const [own, ...others] = ranges as [{ lo: bigint; hi: bigint }, ...{ lo: bigint; hi: bigint }[]];
  const visit = (i: number): boolean => {
    if (i < known.length) {
      const { lo, hi } = others[i] as { lo: bigint; hi: bigint };
      for (let v = lo; v <= hi; v++) {
        value.set(known[i] as number, v);
        if (!visit(i + 1)) return false;
      }
      return true;
    }
    let found = 0;
    for (let v = own.lo; v <= own.hi; v++) {
      value.set(wire, v);
      if (holds()) found += 1;
    }
    return found <= 1;
  };
  return visit(0);
}
