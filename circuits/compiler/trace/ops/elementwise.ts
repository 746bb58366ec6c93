import type { Kind } from "../../import/tensor.ts";
import { isConst, type Real, type RealGraph, type Val } from "../../real/graph.ts";
import { nonNegative } from "../../real/sign.ts";
import { functionValue } from "../../real/functions.ts";
import { caseCount, distributed, perCase } from "../../real/cases.ts";
import { centred } from "../../real/variance.ts";
import type { NodeContext, Operator, OperatorTable } from "../context.ts";
import { axisOf, map, zip, type SymTensor } from "../tensor.ts";
import { exp } from "./exponential.ts";

/** Below opset 7, `broadcast` and `axis` say where the right operand lies in the left one; later it is NumPy's rule. */
function operands(x: NodeContext): [SymTensor, SymTensor] {
  const a = x.input(0);
  const b = x.input(1);
  if (x.opset >= 7 || x.number("broadcast", 0) === 0) return [a, b];
  const axis = x.node.attributes.has("axis") ? axisOf(x.number("axis"), a.shape.length) : a.shape.length - b.shape.length;
  const after = a.shape.length - axis - b.shape.length;
  return [a, { ...b, shape: [...b.shape, ...new Array<number>(Math.max(0, after)).fill(1)] }];
}

const binary =
  (f: (r: RealGraph, a: Val, b: Val) => Val, kind?: Kind): Operator =>
  (x) => {
    const [a, b] = operands(x);
    return zip(a, b, kind ?? (a.kind === "bool" ? "int" : a.kind), (p, q) => f(x.real, p, q));
  };

const unary =
  (f: (r: RealGraph, a: Val, x: NodeContext) => Val, kind?: Kind): Operator =>
  (x) => map(x.input(0), (v) => f(x.real, v, x), kind);

const variadic =
  (f: (r: RealGraph, a: Val, b: Val) => Val): Operator =>
  (x) => x.inputs.map((_, i) => x.input(i)).reduce((a, b) => zip(a, b, a.kind, (p, q) => f(x.real, p, q)));

/** A function of one variable: constants are evaluated, references become one node. */
export function apply(r: RealGraph, name: string, a: Val): Val {
  return isConst(a) ? functionValue(name, a) : r.fn(name, a);
}

/** A variance that was written as a difference becomes a sum of squares before its root is taken. */
export function root(r: RealGraph, a: Val, inverse = false): Val {
  const v = centred(r, a);
  if (isConst(v)) return inverse ? 1 / Math.sqrt(v) : Math.sqrt(v);
  return r.fn(inverse ? "rsqrt" : "sqrt", v);
}
export const sigmoid = (r: RealGraph, a: Val): Val => apply(r, "sigmoid", a);
export const tanh = (r: RealGraph, a: Val): Val => apply(r, "tanh", a);
/** e^x - 1 for x <= 0 and 0 above: the curved half of the ELU family. */
const negativeHalf = (r: RealGraph, a: Val): Val => {
  const m = r.relu(r.mul(-1, a));
  return r.lin([isConst(m) ? Math.exp(-m) : r.fn("expneg", m)], [1], -1);
};
export const silu = (r: RealGraph, a: Val): Val => apply(r, "silu", a);
export const softplus = (r: RealGraph, a: Val): Val => apply(r, "softplus", a);

export function elu(r: RealGraph, a: Val, alpha: number, positive = 1, scale = 1): Val {
  return r.lin([r.relu(a), negativeHalf(r, r.mul(scale, a))], [positive, alpha]);
}

export function leaky(r: RealGraph, a: Val, slope: Val): Val {
  return r.add(r.mul(slope, a), r.mul(r.sub(1, slope), r.relu(a)));
}

export function hardSigmoid(r: RealGraph, a: Val, alpha: number, beta: number): Val {
  return r.clip(r.lin([a], [alpha], beta), 0, 1);
}

export function sign(r: RealGraph, a: Val): Val {
  return isConst(a) ? Math.sign(a) : r.sub(r.ge0(a), r.ge0(r.mul(-1, a)));
}

export function abs(r: RealGraph, a: Val): Val {
  if (isConst(a)) return Math.abs(a);
  return nonNegative(a) ? a : r.max(a, r.mul(-1, a));
}

/** Half to even, as ONNX says. */
export function roundEven(v: number): number {
  const f = Math.floor(v);
  const d = v - f;
  return d < 0.5 || (d === 0.5 && f % 2 === 0) ? f : f + 1;
}

function division(x: NodeContext): SymTensor {
  const [a, b] = operands(x);
  if (a.kind === "float") return zip(a, b, "float", (p, q) => quotient(x.real, p, q));
  return zip(a, b, a.kind, (p, q) => {
    if (!isConst(q)) {
      const size = x.real.ratio(abs(x.real, p), abs(x.real, q) as Real);
      return x.integer(0).signed ? x.real.mul(x.real.mul(sign(x.real, p), sign(x.real, q)), size) : x.real.ratio(p, q);
    }
    if (q === 0) throw x.refuse("division by zero", "Remove the node");
    if (isConst(p)) return Math.trunc(p / q);
    // Truncation towards zero: floor of the magnitude, with the sign put back.
    const s = sign(x.real, p);
    return x.real.mul(q > 0 ? s : x.real.mul(-1, s), x.real.floordiv(abs(x.real, p), Math.abs(q)));
  });
}

/** a / b; the sign of b is settled when its interval is known, here it only matters that it is not a constant zero. */
export function quotient(r: RealGraph, a: Val, b: Val): Val {
  return r.div(a, b);
}

function power(x: NodeContext): SymTensor {
  const [a, b] = operands(x);
  return zip(a, b, a.kind, (p, q) => {
    if (isConst(p) && isConst(q)) return p ** q;
    if (isConst(q)) return powerOf(x.real, p, q);
    if (isConst(p) && p > 0) return exp(x.real, x.real.mul(Math.log(p), q));
    return exp(x.real, x.real.mul(q, apply(x.real, "log", p)));
  });
}

export function powerOf(r: RealGraph, a: Val, n: number): Val {
  if (isConst(a)) return a ** n;
  if (n === 0) return 1;
  // Some exporters write the exponent of a root as the inverse of a float next to 2.
  if (Math.abs(Math.abs(n) - 0.5) < 1e-6) return root(r, a, n < 0);
  if (Number.isInteger(n) && n > 0 && n <= 64) {
    if (n === 1) return a;
    const half = powerOf(r, a, Math.floor(n / 2));
    const square = r.mul(half, half);
    return n % 2 ? r.mul(square, a) : square;
  }
  if (Number.isInteger(n) && n < 0) return r.div(1, powerOf(r, a, -n));
  return exp(r, r.mul(n, r.fn("log", a)));
}

/** The sign of the divisor, or with fmod that of the dividend. */
function modulo(x: NodeContext): SymTensor {
  const [a, b] = operands(x);
  const truncated = x.number("fmod", 0) === 1;
  const r = x.real;
  return zip(a, b, a.kind, (p, q) => {
    if (q === 0) throw x.refuse("the divisor is zero", "Remove the node");
    if (isConst(p) && isConst(q)) return truncated ? p % q : p - q * Math.floor(p / q);
    if (!truncated) return r.sub(p, r.mul(q, floorRatio(r, p, q)));
    const [m, n] = [abs(r, p), abs(r, q)];
    return r.mul(sign(r, p), r.sub(m, r.mul(n, floorRatio(r, m, n))));
  });
}

/** floor(a / b), b constant or from the data. */
function floorRatio(r: RealGraph, a: Val, b: Val): Val {
  if (!isConst(b)) return r.ratio(a, b);
  return b > 0 ? r.floordiv(a, b) : r.floordiv(r.mul(-1, a), -b);
}

/** floor(x + 1/2), less one where x + 1/2 is an odd whole number. */
export function round(r: RealGraph, a: Val): Val {
  if (isConst(a)) return roundEven(a);
  if (a.whole) return a;
  const up = r.floordiv(r.lin([a], [1], 0.5), 1);
  const tie = r.eq0(r.lin([up, a], [1, -1], -0.5));
  const oddness = r.lin([up, r.floordiv(up, 2)], [1, -2]);
  return r.sub(up, r.mul(tie, oddness));
}

const not = (r: RealGraph, a: Val): Val => r.lin([a], [-1], 1);
/** a >= b; two choices by the same flag are compared case by case, as a tree compares a feature with its own threshold. */
const atLeast = (r: RealGraph, a: Val, b: Val): Val => distributed(r, [a, b], (sides) => compared(r, sides as [Val, Val]));

/** A few thresholds on one value cost less on its thermometer than one comparison with whichever of them applies. */
function compared(r: RealGraph, [a, b]: [Val, Val]): Val {
  if (!isConst(b) && caseCount(r, b, FEW_CASES)) return perCase(r, b, (t) => r.ge0(r.sub(a, t)));
  if (!isConst(a) && caseCount(r, a, FEW_CASES)) return perCase(r, a, (t) => r.ge0(r.sub(t, b)));
  return r.ge0(r.sub(a, b));
}

const FEW_CASES = 4;
const less = (r: RealGraph, a: Val, b: Val): Val => not(r, atLeast(r, a, b));
const and = (r: RealGraph, a: Val, b: Val): Val => r.mul(a, b);
const or = (r: RealGraph, a: Val, b: Val): Val => r.lin([a, b, r.mul(a, b)], [1, 1, -1]);
const xor = (r: RealGraph, a: Val, b: Val): Val => r.lin([a, b, r.mul(a, b)], [1, 1, -2]);

const rounding =
  (f: (v: number) => number, circuit: (r: RealGraph, a: Val) => Val): Operator =>
  unary((r, a) => (isConst(a) ? f(a) : a.whole ? a : circuit(r, a)));

const table = (names: readonly string[], make: (name: string) => Operator): OperatorTable =>
  Object.fromEntries(names.map((n) => [n, make(n)]));

const plain: Record<string, string> = {
  Sigmoid: "sigmoid", Tanh: "tanh", Erf: "erf", Log: "log", Sin: "sin", Cos: "cos", Tan: "tan", Atan: "atan", Asin: "asin",
  Acos: "acos", Sinh: "sinh", Cosh: "cosh", Asinh: "asinh", Acosh: "acosh", Atanh: "atanh", Softsign: "softsign", Mish: "mish",
};

export const elementwise: OperatorTable = {
  ...table(Object.keys(plain), (n) => unary((r, a) => apply(r, plain[n] as string, a))),
  Add: binary((r, a, b) => r.add(a, b)),
  Sub: binary((r, a, b) => r.sub(a, b)),
  Mul: binary((r, a, b) => r.mul(a, b)),
  Div: division,
  Pow: power,
  Mod: modulo,
  Sum: variadic((r, a, b) => r.add(a, b)),
  Mean: (x) => {
    const total = variadic((r, a, b) => r.add(a, b))(x) as SymTensor;
    return map(total, (v) => x.real.mul(1 / x.inputs.length, v));
  },
  Max: variadic((r, a, b) => r.max(a, b)),
  Min: variadic((r, a, b) => r.min(a, b)),
  Exp: unary((r, a) => exp(r, a)),
  Sqrt: unary((r, a) => root(r, a)),
  Neg: unary((r, a) => r.mul(-1, a)),
  Abs: unary(abs),
  Sign: unary(sign),
  Relu: unary((r, a) => r.relu(a)),
  LeakyRelu: unary((r, a, x) => leaky(r, a, x.number("alpha", 0.01))),
  PRelu: (x) => {
    const a = x.input(0);
    let slope = x.input(1);
    // One slope per channel, before NumPy broadcasting was the rule.
    if (x.opset < 7 && slope.shape.length === 1 && (slope.shape[0] as number) > 1) {
      slope = { ...slope, shape: [slope.shape[0] as number, ...new Array<number>(a.shape.length - 2).fill(1)] };
    }
    return zip(a, slope, a.kind, (v, s) => leaky(x.real, v, s));
  },
  Elu: unary((r, a, x) => elu(r, a, x.number("alpha", 1))),
  Selu: unary((r, a, x) => {
    const gamma = x.number("gamma", x.opset < 6 ? 1.0507 : 1.0507009873554805);
    return elu(r, a, gamma * x.number("alpha", x.opset < 6 ? 1.6732 : 1.6732632423543772), gamma);
  }),
  Celu: unary((r, a, x) => elu(r, a, x.number("alpha", 1), 1, 1 / x.number("alpha", 1))),
  ThresholdedRelu: unary((r, a, x) => r.mul(a, not(r, r.ge0(r.lin([a], [-1], x.number("alpha", 1)))))),
  HardSigmoid: unary((r, a, x) => hardSigmoid(r, a, x.number("alpha", 0.2), x.number("beta", 0.5))),
  HardSwish: unary((r, a) => r.mul(a, hardSigmoid(r, a, 1 / 6, 0.5))),
  Shrink: unary((r, a, x) => {
    const lambda = x.number("lambd", 0.5);
    const bias = x.number("bias", 0);
    const high = not(r, r.ge0(r.lin([a], [-1], lambda)));
    const low = not(r, r.ge0(r.lin([a], [1], lambda)));
    return r.lin([r.mul(a, r.add(high, low)), high, low], [1, -bias, bias]);
  }),
  Softplus: unary(softplus),
  Swish: unary((r, a, x) => {
    const alpha = x.number("alpha", 1);
    return r.mul(1 / alpha, silu(r, r.mul(alpha, a)));
  }),
  Gelu: unary((r, a, x) => apply(r, x.text("approximate", "none") === "tanh" ? "geluTanh" : "gelu", a)),
  Reciprocal: unary((r, a) => (isConst(a) ? 1 / a : r.div(1, a))),
  Clip: (x) => {
    const lo = x.opset < 11 ? x.number("min", -Infinity) : (x.optional(1)?.data[0] ?? -Infinity);
    const hi = x.opset < 11 ? x.number("max", Infinity) : (x.optional(2)?.data[0] ?? Infinity);
    if (isConst(lo) && isConst(hi)) return map(x.input(0), (v) => (lo > hi ? hi : x.real.clip(v, lo, hi)));
    return map(x.input(0), (v) => x.real.min(lo === -Infinity ? v : x.real.max(v, lo), hi));
  },
  Floor: rounding(Math.floor, (r, a) => r.floordiv(a, 1)),
  Ceil: rounding(Math.ceil, (r, a) => r.mul(-1, r.floordiv(r.mul(-1, a), 1))),
  Round: rounding(roundEven, round),
  Less: binary(less, "bool"),
  Greater: binary((r, a, b) => less(r, b, a), "bool"),
  LessOrEqual: binary((r, a, b) => atLeast(r, b, a), "bool"),
  GreaterOrEqual: binary(atLeast, "bool"),
  Equal: binary((r, a, b) => r.eq0(r.sub(a, b)), "bool"),
  And: binary(and, "bool"),
  Or: binary(or, "bool"),
  Xor: binary(xor, "bool"),
  Not: unary(not, "bool"),
  Where: (x) => {
    const sides = zip(x.input(1), x.input(2), x.input(1).kind, (a) => a);
    const c = zip(x.input(0), sides, "bool", (p) => p);
    const a = zip(x.input(1), c, x.input(1).kind, (p) => p);
    const b = zip(x.input(2), c, x.input(1).kind, (p) => p);
    return map(a, (p, i) => distributed(x.real, [c.data[i] as Val, p, b.data[i] as Val], ([flag, yes, no]) => x.real.select(flag as Val, yes as Val, no as Val)));
  },
  IsNaN: unary(() => 0, "bool"),
  IsInf: unary(() => 0, "bool"),
  Cast: (x) => cast(x, x.number("to")),
  CastLike: (x) => cast(x, x.types[1] ?? 1),
};

function cast(x: NodeContext, to: number): SymTensor {
  const a = x.input(0);
  const kind: Kind = to === 9 ? "bool" : [1, 10, 11, 16].includes(to) ? "float" : "int";
  if (to === 8) throw x.refuse("text has no circuit", "Cast outside of the model");
  if (kind === "bool") return map(a, (v) => (isConst(v) ? Number(v !== 0) : a.kind === "bool" ? v : not(x.real, x.real.eq0(v))), "bool");
  const grain = to === 10 ? 2 ** -11 : to === 16 ? 2 ** -8 : 0;
  // Narrower floats round: the circuit does not, and its stated error says by how much the two differ.
  if (grain > 0 && kind === "float") return map(a, (v) => (isConst(v) ? v : x.real.bound(v, "rounded", -grain, grain, [])), kind);
  if (kind === "float" || a.kind !== "float") return { ...a, kind };
  return map(a, (v) => {
    if (isConst(v)) return Math.trunc(v);
    if (v.whole) return v;
    return x.real.mul(sign(x.real, v), x.real.floordiv(abs(x.real, v), 1));
  }, "int");
}
