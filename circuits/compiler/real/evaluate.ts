import { functionValue } from "./functions.ts";
import { bitwiseValue, type Real } from "./graph.ts";

/** Shorter sums are read where they stand. */
const LONG_SUM = 8;

/** The value of every node, by id, for given inputs. The array is the program's own: the next run overwrites it. */
export type RealProgram = (inputs: readonly number[]) => Float64Array;

/**
 * The model in float64: the third oracle, and the source of typical magnitudes. Long sums are laid out once, so that many runs pay.
 * @param order Topological (ids ascend).
 * @param size More than the largest id.
 */
export function realProgram(order: readonly Real[], size: number): RealProgram {
  const value = new Float64Array(size);
  const at = (r: Real | undefined): number => value[(r as Real).id] as number;
  const sums = order.map((n) => (n.op === "lin" && n.args.length >= LONG_SUM ? { idx: Int32Array.from(n.args.map((a) => a.id)), w: Float64Array.from(n.w) } : undefined));
  return (inputs) => {
    order.forEach((n, i) => {
      const sum = sums[i];
      value[n.id] = sum ? weighted(n.c, sum.idx, sum.w, value) : evaluateNode(n, at, inputs);
    });
    return value;
  };
}

function weighted(c: number, idx: Int32Array, w: Float64Array, value: Float64Array): number {
  let sum = c;
  for (let i = 0; i < idx.length; i++) sum += (w[i] as number) * (value[idx[i] as number] as number);
  return sum;
}

const ratio = (a: number, b: number): number => (b === 0 ? 0 : Math.floor(a / b));

function evaluateNode(n: Real, at: (r: Real | undefined) => number, inputs: readonly number[]): number {
  const a = n.args[0];
  switch (n.op) {
    case "input":
      return inputs[n.p[0] as number] as number;
    case "lin": {
      let sum = n.c;
      for (let i = 0; i < n.args.length; i++) sum += (n.w[i] as number) * at(n.args[i]);
      return sum;
    }
    case "mul":
      return at(a) * at(n.args[1]);
    case "relu":
      return Math.max(0, at(a));
    case "ge0":
      return Number(at(a) >= 0);
    case "step":
      return Number(at(a) >= (n.p[0] as number));
    case "eq0":
      return Number(at(a) === 0);
    case "max2":
    case "maxn":
      return n.args.reduce((m, x) => Math.max(m, at(x)), -Infinity);
    case "gap":
      return at(a) - at(n.args[1]);
    case "fn":
      return functionValue(n.fn, at(a));
    case "div":
      return n.args.length === 1 ? n.c / at(a) : at(a) / at(n.args[1]);
    case "floordiv":
      if (n.p.length > 0) return Math.floor(at(a) / (n.p[0] as number));
      return n.args.length === 1 ? ratio(n.c, at(a)) : ratio(at(a), at(n.args[1]));
    case "bitwise":
      return bitwiseValue(n.fn, at(a), n.args.length > 1 ? at(n.args[1]) : (n.p[0] as number));
    case "bound":
    case "seam":
      return at(a);
    default:
      throw new RangeError(`no evaluation for ${n.op}`);
  }
}
