import type { IntBuilder } from "../integer/graph.ts";

interface Affine {
  readonly of: ReadonlyMap<number, bigint>;
  readonly c: bigint;
}

const MAX_FLAGS = 6;
const FLAGS = new Set(["bit", "eqz", "ge"]);

/**
 * Interval of a value that flags put together: with every flag fixed it is an affine form of what lies below, and the hull over all
 * settings knows what plain arithmetic forgets, that a flag is the same flag wherever it stands.
 */
export function flagHull(int: IntBuilder, id: number): { lo: bigint; hi: bigint } | undefined {
  const flags = new Set<number>();
  collect(int, id, flags, 0);
  if (flags.size === 0 || flags.size > MAX_FLAGS) return undefined;
  const list = [...flags];
  let out: { lo: bigint; hi: bigint } | undefined;
  for (let s = 0; s < 1 << list.length; s++) {
    const form = affine(int, id, new Map(list.map((f, i) => [f, BigInt((s >> i) & 1)])), 0);
    let [lo, hi] = [form.c, form.c];
    for (const [node, k] of form.of) {
      const v = int.at(node);
      lo += k > 0n ? k * v.lo : k * v.hi;
      hi += k > 0n ? k * v.hi : k * v.lo;
    }
    out = out ? { lo: lo < out.lo ? lo : out.lo, hi: hi > out.hi ? hi : out.hi } : { lo, hi };
  }
  return out;
}

const onlyFlags = (int: IntBuilder, id: number): boolean => {
  const n = int.at(id);
  return FLAGS.has(n.op) || (n.op === "lin" && n.args.length > 0 && n.args.every((a) => onlyFlags(int, a)));
};

function collect(int: IntBuilder, id: number, flags: Set<number>, depth: number): void {
  const n = int.at(id);
  if (depth > 8 || (n.op !== "lin" && n.op !== "mul")) return;
  for (const a of n.args) {
    if (n.op === "mul" && onlyFlags(int, a)) gather(int, a, flags);
    collect(int, a, flags, depth + 1);
  }
}

function gather(int: IntBuilder, id: number, flags: Set<number>): void {
  const n = int.at(id);
  if (FLAGS.has(n.op)) flags.add(id);
  else for (const a of n.args) gather(int, a, flags);
}

function affine(int: IntBuilder, id: number, fixed: ReadonlyMap<number, bigint>, depth: number): Affine {
  const n = int.at(id);
  const known = fixed.get(id);
  if (known !== undefined) return { of: new Map(), c: known };
  const leaf: Affine = { of: new Map([[id, 1n]]), c: 0n };
  if (depth > 10) return leaf;
  if (n.op === "lin") {
    const of = new Map<number, bigint>();
    let c = n.c;
    n.args.forEach((a, i) => {
      const part = affine(int, a, fixed, depth + 1);
      const k = n.k[i] as bigint;
      c += k * part.c;
      for (const [w, f] of part.of) of.set(w, (of.get(w) ?? 0n) + k * f);
    });
    return { of, c };
  }
  if (n.op !== "mul") return leaf;
  const [a, b] = n.args.map((v) => affine(int, v, fixed, depth + 1)) as [Affine, Affine];
  if (a.of.size > 0 && b.of.size > 0) return leaf;
  const [k, form] = a.of.size === 0 ? [a.c, b] : [b.c, a];
  return { of: new Map([...form.of].map(([w, f]) => [w, f * k])), c: form.c * k };
}
