import { strip, terms } from "./bounds.ts";
import type { PublishedGraph, Node } from "./format.ts";

/** d R with R = floor(sqrt(K / V)) and V >= d^2: |d R| <= sqrt(K), whatever V is. */
export function cauchyHolds(g: PublishedGraph, n: Node): boolean {
  const p = g.nodes[strip(g, n.args[0] as number)] as Node;
  if (p.op !== "mul") return false;
  for (const [i, a] of p.args.entries()) {
    const root = g.nodes[strip(g, a)] as Node;
    if (root.op !== "rsqrt") continue;
    const d = terms(g, p.args[1 - i] as number);
    const v = terms(g, root.args[0] as number);
    const scale = squareWeight(g, v.of, d);
    if (scale === undefined || v.c < 0n) return false;
    // scale d^2 <= V and R^2 V <= 2^k: (d R)^2 <= 2^k / scale.
    const k = 1n << BigInt(root.n[0] as number);
    const most = n.hi < -n.lo ? n.hi : -n.lo;
    return most * most * scale >= k;
  }
  return false;
}

/** Weight of d^2 in a sum of squares with positive weights, following one level of named sums. */
function squareWeight(g: PublishedGraph, of: ReadonlyMap<number, bigint>, d: { of: Map<number, bigint>; c: bigint }): bigint | undefined {
  let found: bigint | undefined;
  for (const [id, k] of of) {
    const s = g.nodes[id] as Node;
    if (k <= 0n) return undefined;
    if (s.op === "lin") {
      const inner = terms(g, id);
      const w = inner.c >= 0n ? squareWeight(g, inner.of, d) : undefined;
      if (w !== undefined) found = w * k;
      continue;
    }
    if (s.op !== "mul" || s.args[0] !== s.args[1]) return undefined;
    const own = terms(g, s.args[0] as number);
    if (own.c === d.c && own.of.size === d.of.size && [...own.of].every(([w, f]) => d.of.get(w) === f)) found = k;
  }
  return found;
}
