import { isFlag } from "./cases.ts";
import type { Real, RealGraph, Val } from "./graph.ts";

/** What must hold for one leaf: flags that are 1 and flags that are 0. */
interface Leaf {
  readonly node: Real;
  readonly literals: ReadonlyMap<Real, boolean>;
}

/** Least and largest value of a weighted sum of flags. */
const reach = (w: readonly number[]): { lo: number; hi: number } => ({
  lo: w.reduce((s, k) => s + Math.min(0, k), 0),
  hi: w.reduce((s, k) => s + Math.max(0, k), 0),
});

/**
 * [sum of flags = the most it can be], written as an equality: all flags with weight 1 hold, all with weight -1 do not. Matrix forms of
 * decision trees compare the number of tests that came out as a path wants them with the length of the path.
 */
function conjunction(n: Real): Leaf | undefined {
  if (n.op !== "eq0") return undefined;
  const sum = n.args[0] as Real;
  if (isFlag(sum)) return { node: n, literals: new Map([[sum, false]]) };
  if (sum.op !== "lin" || !sum.args.every(isFlag)) return undefined;
  // A test that a path meets twice has weight 2: the sum is at its end all the same exactly when every literal holds.
  const { lo, hi } = reach(sum.w);
  const sign = sum.c === -hi ? 1 : sum.c === -lo ? -1 : 0;
  if (sign === 0) return undefined;
  return { node: n, literals: new Map(sum.args.map((a, i) => [a, (sum.w[i] as number) * sign > 0])) };
}

/** A decision tree over flags; leaves are the equality nodes they were found as. */
export type Decision = Real | { readonly flag: Real; readonly yes: Decision; readonly no: Decision };

function decide(leaves: readonly { node: Real; rest: ReadonlyMap<Real, boolean> }[]): Decision | undefined {
  const first = leaves[0];
  if (!first) return undefined;
  if (leaves.length === 1) return first.rest.size === 0 ? first.node : undefined;
  const root = [...first.rest.keys()].find((f) => leaves.every((l) => l.rest.has(f)));
  if (!root) return undefined;
  const side = (want: boolean): Decision | undefined =>
    decide(leaves.filter((l) => l.rest.get(root) === want).map((l) => ({ node: l.node, rest: new Map([...l.rest].filter(([f]) => f !== root)) })));
  const yes = side(true);
  const no = yes ? side(false) : undefined;
  return yes && no ? { flag: root, yes, no } : undefined;
}

/**
 * The trees of a graph: leaves in the order they were made, a tree where their shares 2^-length add up to 1 (Kraft's equality holds for
 * complete trees) and the paths branch like a tree's. What does not is left as it is. Returns the tree of every leaf.
 */
export function forest(graph: RealGraph): Map<Real, { readonly root: Decision; readonly leaves: readonly Real[] }> {
  const out = new Map<Real, { root: Decision; leaves: Real[] }>();
  let open: Leaf[] = [];
  let share = 0;
  for (const n of graph.nodes) {
    const leaf = conjunction(n);
    if (!leaf) continue;
    open.push(leaf);
    share += 2 ** -leaf.literals.size;
    if (share < 1) continue;
    const root = share === 1 && open.length > 2 ? decide(open.map((l) => ({ node: l.node, rest: l.literals }))) : undefined;
    const leaves = open.map((l) => l.node);
    if (root) for (const l of leaves) out.set(l, { root, leaves });
    open = [];
    share = 0;
  }
  return out;
}

/** The value that a weighted sum gives to the leaf the data ends in. */
export function leafValue(r: RealGraph, tree: Decision, weight: (leaf: Real) => number, image: (flag: Real) => Val): Val {
  if ("op" in tree) return weight(tree);
  return r.select(image(tree.flag), leafValue(r, tree.yes, weight, image), leafValue(r, tree.no, weight, image));
}
