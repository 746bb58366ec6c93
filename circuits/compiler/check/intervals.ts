import { demand, type Node, type PublishedGraph } from "./format.ts";
import { boundHolds } from "./bounds.ts";

export interface Range {
  readonly lo: bigint;
  readonly hi: bigint;
}

export const hull = (values: readonly bigint[]): Range => ({
  lo: values.reduce((a, b) => (b < a ? b : a)),
  hi: values.reduce((a, b) => (b > a ? b : a)),
});

export const product = (a: Range, b: Range): Range => hull([a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi]);

export function weighted(k: readonly bigint[], of: readonly Range[], c: bigint): Range {
  let [lo, hi] = [c, c];
  k.forEach((f, i) => {
    const r = of[i] as Range;
    lo += f > 0n ? f * r.lo : f * r.hi;
    hi += f > 0n ? f * r.hi : f * r.lo;
  });
  return { lo, hi };
}

const floorDivide = (a: bigint, b: bigint): bigint => (a >= 0n ? a / b : -((b - 1n - a) / b));

/**
 * No overflow (completeness): each claimed interval follows from the claimed intervals of the arguments, so by induction every admissible
 * input has a witness. Bounds that arithmetic does not give are justified by their rule, one by one.
 */
export function checkNoOverflow(g: PublishedGraph): { bounds: Record<string, number> } {
  const bounds: Record<string, number> = {};
  g.nodes.forEach((n, id) => {
    const arg = (i: number): Node => g.nodes[n.args[i] as number] as Node;
    const fail = (why: string) => (): string => `node ${id} (${n.op}): ${why}, claimed [${n.lo}, ${n.hi}]`;
    const covers = (r: Range): void => demand(n.lo <= r.lo && n.hi >= r.hi, "no-overflow", fail(`derived [${r.lo}, ${r.hi}]`));
    switch (n.op) {
      case "input":
        return demand(n.lo <= n.hi, "no-overflow", fail("an empty box"));
      case "lin":
        return covers(weighted(n.k, n.args.map((a) => g.nodes[a] as Node), n.c));
      case "mul": {
        const r = product(arg(0), arg(1));
        return covers(n.args[0] === n.args[1] && r.lo < 0n ? { lo: 0n, hi: r.hi } : r);
      }
      case "bits": {
        const x = arg(0);
        const fits = x.lo + n.c >= 0n && x.hi + n.c < 1n << BigInt(n.n[0] as number);
        return demand(fits, "no-overflow", fail(`[${x.lo}, ${x.hi}] + ${n.c} in ${n.n[0]} digits`));
      }
      case "bit":
      case "eqz":
      case "ge":
        return covers({ lo: 0n, hi: 1n });
      case "field": {
        const [from, to] = n.n as [number, number];
        const bits = arg(0);
        const x = g.nodes[bits.args[0] as number] as Node;
        if (to !== bits.n[0]) return covers({ lo: 0n, hi: (1n << BigInt(to - from)) - 1n });
        return covers({ lo: (x.lo + bits.c) >> BigInt(from), hi: (x.hi + bits.c) >> BigInt(from) });
      }
      case "relu": {
        const x = g.nodes[arg(0).args[0] as number] as Node;
        return covers({ lo: 0n, hi: x.hi > 0n ? x.hi >> BigInt(n.n[0] as number) : 0n });
      }
      case "max": {
        const all = n.args.map((a) => g.nodes[a] as Node);
        return covers({ lo: all.reduce((m, x) => (x.lo > m ? x.lo : m), (all[0] as Node).lo), hi: hull(all.map((x) => x.hi)).hi });
      }
      case "div": {
        const [a, b] = [arg(0), arg(1)];
        demand(b.lo > 0n, "no-overflow", fail("a divisor may be zero"));
        return covers(hull([a.lo, a.hi].flatMap((v) => [floorDivide(v, b.lo), floorDivide(v, b.hi)])));
      }
      case "isqrt":
        demand(arg(0).lo >= 0n, "no-overflow", fail("a negative radicand"));
        return demand(n.lo <= 0n && n.hi * n.hi >= arg(0).hi, "no-overflow", fail("root"));
      case "rsqrt":
        demand(arg(0).lo > 0n, "no-overflow", fail("a radicand of zero"));
        return demand(n.lo <= 0n && n.hi * n.hi * arg(0).lo >= 1n << BigInt(n.n[0] as number), "no-overflow", fail("root"));
      case "zero":
        return undefined;
      case "bound":
        bounds[n.rule] = (bounds[n.rule] ?? 0) + 1;
        return demand(boundHolds(g, n), "no-overflow", fail(`rule ${n.rule} does not apply`));
      default:
        return demand(false, "no-overflow", fail("unknown operator"));
    }
  });
  return { bounds };
}
