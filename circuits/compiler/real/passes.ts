import { forest, leafValue, type Decision } from "./forest.ts";
import { isConst, type BitOperation, type Real, type RealGraph, type Val } from "./graph.ts";

/** Nodes that some output reads, in topological order: everything else (dead inputs included) is gone from here on. */
export function reachable(graph: RealGraph, outputs: readonly Val[]): Real[] {
  const live = new Uint8Array(graph.nodes.length);
  for (const o of outputs) if (!isConst(o)) live[o.id] = 1;
  // Arguments have smaller ids than their readers: one sweep is enough.
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    if (live[i]) for (const a of (graph.nodes[i] as Real).args) live[a.id] = 1;
  }
  return graph.nodes.filter((n) => live[n.id]);
}

/** How many live nodes (and outputs) read each node. */
export function fanOut(live: readonly Real[], outputs: readonly Val[], size: number): Uint32Array {
  const count = new Uint32Array(size);
  for (const n of live) for (const a of n.args) count[a.id] = (count[a.id] as number) + 1;
  for (const o of outputs) if (!isConst(o)) count[o.id] = (count[o.id] as number) + 1;
  return count;
}

/**
 * Sums over the leaves of decision trees become the values of the trees: a multiplexer for each branch instead of an equality for each
 * leaf. Returns undefined where the graph holds no tree.
 */
export function plantTrees(graph: RealGraph, outputs: readonly Val[], fresh: RealGraph): Val[] | undefined {
  const trees = forest(graph);
  if (trees.size === 0) return undefined;
  const live = reachable(graph, outputs);
  const reads = new Uint32Array(graph.nodes.length);
  const image = new Map<Real, Val>();
  fresh.layers.push(...graph.layers);
  const get = (r: Real | undefined): Val => image.get(r as Real) as Val;
  for (const n of live) {
    fresh.layer = n.layer;
    const roots = n.op === "lin" ? new Set(n.args.flatMap((a) => trees.get(a)?.root ?? [])) : new Set<Decision>();
    if (roots.size === 0) {
      image.set(n, rebuild(n, get, fresh, reads));
      continue;
    }
    const weight = new Map(n.args.map((a, i) => [a, n.w[i] as number]));
    const rest = n.args.filter((a) => !trees.has(a));
    const values = [...roots].map((root) => leafValue(fresh, root, (leaf) => weight.get(leaf) ?? 0, get));
    image.set(n, fresh.lin([...rest.map(get), ...values], [...rest.map((a) => weight.get(a) as number), ...values.map(() => 1)], n.c));
  }
  return outputs.map((o) => (isConst(o) ? o : get(o)));
}

/** A sum may be dissolved into its readers while that keeps the number of terms below this. */
const MAX_TERMS = 1 << 13;

/**
 * Folds sums into sums: a normalisation into the convolution before it, a scale into the dense layer after it. A sum that only one
 * other sum reads is dissolved there. Returns the rewritten outputs over a graph of its own.
 */
export function foldSums(graph: RealGraph, outputs: readonly Val[], fresh: RealGraph): Val[] {
  const live = reachable(graph, outputs);
  const reads = fanOut(live, outputs, graph.nodes.length);
  const image = new Map<Real, Val>();
  fresh.layers.push(...graph.layers);
  const get = (r: Real | undefined): Val => image.get(r as Real) as Val;
  for (const n of live) {
    fresh.layer = n.layer;
    image.set(n, rebuild(n, get, fresh, reads));
  }
  return outputs.map((o) => (isConst(o) ? o : get(o)));
}

/** The same node over the arguments' images in another graph. */
export function rebuild(n: Real, get: (r: Real | undefined) => Val, fresh: RealGraph, reads: Uint32Array): Val {
  const args = n.args.map(get);
  const [a, b] = args as [Val, Val];
  switch (n.op) {
    case "input":
      return fresh.input(n.p[0] as number, n.whole);
    case "lin":
      return foldedLin(n, args, fresh, reads);
    case "mul":
      return fresh.mul(a, b);
    case "relu":
      return fresh.relu(a);
    case "ge0":
      return fresh.ge0(a);
    case "step":
      return fresh.step(a, n.p[0] as number);
    case "eq0":
      return fresh.eq0(a);
    case "max2":
      return fresh.max(a, b);
    case "maxn":
      return fresh.maxn(args);
    case "gap":
      return fresh.gap(a, b);
    case "fn":
      return fresh.fn(n.fn, a as Real);
    case "div":
      return n.args.length === 1 ? fresh.div(n.c, a) : fresh.div(a, b);
    case "floordiv":
      if (n.p.length > 0) return fresh.floordiv(a, n.p[0] as number);
      return n.args.length === 1 ? fresh.ratio(n.c, a as Real) : fresh.ratio(a, b as Real);
    case "bitwise":
      return fresh.bitwise(n.fn as BitOperation, a, n.args.length > 1 ? b : (n.p[0] as number));
    case "seam":
      return fresh.seam(a);
    case "bound":
      return fresh.bound(a, n.fn, n.p[0] as number, n.p[1] as number, args.slice(1).filter((v): v is Real => !isConst(v)));
    default:
      throw new RangeError(`no rewriting for ${n.op}`);
  }
}

function foldedLin(n: Real, args: Val[], fresh: RealGraph, reads: Uint32Array): Val {
  const values: Val[] = [];
  const weights: number[] = [];
  let c = n.c;
  for (let i = 0; i < args.length; i++) {
    const v = args[i] as Val;
    const k = n.w[i] as number;
    const once = reads[(n.args[i] as Real).id] === 1;
    if (!isConst(v) && v.op === "lin" && once && v.args.length + values.length <= MAX_TERMS) {
      for (let j = 0; j < v.args.length; j++) {
        values.push(v.args[j] as Real);
        weights.push(k * (v.w[j] as number));
      }
      c += k * v.c;
    } else {
      values.push(v);
      weights.push(k);
    }
  }
  return fresh.lin(values, weights, c);
}
