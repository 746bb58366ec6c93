import { expect } from "chai";

import type { Combination, R1cs } from "../../../circuits/compiler/emit/r1cs.ts";
import { runGate, type GateReport } from "../../../circuits/compiler/gate/index.ts";
import { P } from "../../../circuits/compiler/integer/field.ts";

/** A circuit by hand: rows a b = c over named wires; `one` is the constant. Each row carries the name by which it can be left out. */
class Circuit {
  readonly #wires = new Map<string, number>([["one", 0]]);
  readonly #rows: { name: string; a: Combination; b: Combination; c: Combination }[] = [];
  readonly #lanes: { name: string; bits: number }[] = [];

  #wire(name: string): number {
    const known = this.#wires.get(name) ?? this.#wires.size;
    this.#wires.set(name, known);
    return known;
  }

  #form(f: Record<string, bigint>): Combination {
    return Object.entries(f).map(([name, k]) => [this.#wire(name), ((k % P) + P) % P]);
  }

  row(name: string, a: Record<string, bigint>, b: Record<string, bigint>, c: Record<string, bigint> = {}): this {
    this.#rows.push({ name, a: this.#form(a), b: this.#form(b), c: this.#form(c) });
    return this;
  }

  /** sum = 0 */
  zero(name: string, f: Record<string, bigint>): this {
    return this.row(name, {}, {}, f);
  }

  boolean(name: string, w: string): this {
    return this.row(name, { [w]: 1n }, { [w]: 1n, one: -1n });
  }

  /** f = sum 2^i bit_i */
  range(name: string, f: Record<string, bigint>, bits: number, weight = (i: number): bigint => 1n << BigInt(i)): this {
    const digits = Array.from({ length: bits }, (_, i) => `${name}.${i}`);
    for (const d of digits) this.boolean(`${d} boolean`, d);
    return this.zero(name, { ...f, ...Object.fromEntries(digits.map((d, i) => [d, -weight(i)])) });
  }

  input(name: string, bits: number): this {
    this.#wire(name);
    this.#lanes.push({ name, bits });
    return this.range(`range of ${name}`, { [name]: 1n }, bits);
  }

  gate(without: string[] = []): GateReport {
    const r1cs: R1cs = {
      prime: P, wires: this.#wires.size,
      rows: this.#rows.filter((r) => !without.includes(r.name)).map(({ a, b, c }) => ({ a, b, c })),
    } as unknown as R1cs;
    const lanes = this.#lanes.map((l) => ({ wire: this.#wire(l.name), lo: 0n, hi: (1n << BigInt(l.bits)) - 1n }));
    return runGate(r1cs, { given: lanes.map((l) => l.wire), lanes, field: new Set() });
  }

  get names(): string[] {
    return this.#rows.map((r) => r.name);
  }
}

const maximum = (): Circuit =>
  new Circuit().input("x", 4).input("y", 4)
    .range("m - x", { m: 1n, x: -1n }, 5).range("m - y", { m: 1n, y: -1n }, 5).row("max product", { m: 1n, x: -1n }, { m: 1n, y: -1n });

const reciprocal = (): Circuit =>
  new Circuit().input("a", 6).input("b0", 4).zero("divisor", { b: 1n, b0: -1n, one: -1n })
    .row("product", { q: 1n }, { b: 1n }, { t: 1n }).range("rest", { a: 1n, t: -1n }, 6).range("room", { b: 1n, a: -1n, t: 1n, one: -1n }, 6).range("quotient", { q: 1n }, 6);

const squareRoot = (): Circuit =>
  new Circuit().input("v", 8).row("square", { r: 1n }, { r: 1n }, { t: 1n })
    .range("rest", { v: 1n, t: -1n }, 6).range("room", { r: 2n, v: -1n, t: 1n }, 6).range("root", { r: 1n }, 5);

const selectors = (): Circuit => {
  const c = new Circuit().input("i", 2);
  for (let k = 0; k < 4; k++) c.row(`select ${k}`, { [`s${k}`]: 1n }, { i: 1n, one: BigInt(-k) });
  return c.zero("one is chosen", { s0: 1n, s1: 1n, s2: 1n, s3: 1n, one: -1n }).zero("element", { y: 1n, s0: -7n, s1: -1n, s2: -3n, s3: -9n });
};

/** y (y - 1) (y - 2) = 6 x with y in 0..7: three values of y for x = 0. */
const smallDomain = (): Circuit =>
  new Circuit().input("x", 3).range("range of y", { y: 1n }, 3)
    .row("y (y - 1)", { y: 1n }, { y: 1n, one: -1n }, { p: 1n }).row("cube", { p: 1n }, { y: 1n, one: -2n }, { q: 1n })
    .zero("q = x q0", { q: 1n, x: -6n });

const isZero = (): Circuit =>
  new Circuit().input("x", 4).row("inverse", { x: 1n }, { inv: 1n }, { one: 1n, out: -1n })
    .row("zero", { x: 1n }, { out: 1n }).row("pin", { inv: 1n }, { out: 1n });

describe("circuits/compiler: circuits with known bugs", () => {
  const whole: Record<string, () => Circuit> = { maximum, reciprocal, "square root": squareRoot, selectors, "is zero": isZero };
  for (const [name, make] of Object.entries(whole)) {
    it(`${name}: passes as it should be, and no row can be missing`, () => {
      const c = make();
      const report = c.gate();
      expect(report, JSON.stringify(report)).to.include({ ok: true });
      for (const row of c.names) expect(c.gate([row]).ok, `without "${row}"`).to.equal(false);
    });
  }

  const bugs: Record<string, () => GateReport> = {
    "missing max product: any value above all others passes": () => maximum().gate(["max product"]),
    "one-sided maximum: no lower factor is checked": () => maximum().gate(["m - y"]),
    "one-sided reciprocal: the remainder may exceed the divisor": () => reciprocal().gate(["room"]),
    "reciprocal without the lower side": () => reciprocal().gate(["rest"]),
    "a quotient that may wrap the field": () => reciprocal().gate(["quotient"]),
    "one-sided square root": () => squareRoot().gate(["room"]),
    "a root that may be the negative one": () => squareRoot().gate(["root"]),
    "dropped boolean: a digit may be anything": () => new Circuit().input("x", 4).gate(["range of x.2 boolean"]),
    "missing input range": () => new Circuit().input("x", 4).gate(["range of x"]),
    "wide range: digits that wrap the field have two readings": () =>
      new Circuit().input("x", 4).range("wide", { x: 1n, y: 1n }, 8, (i) => (i === 7 ? 1n << 253n : 1n << BigInt(i))).gate(),
    "digits whose weights do not double": () => new Circuit().input("x", 4).range("digits", { x: 1n }, 5, (i) => (i === 4 ? 8n : 1n << BigInt(i))).gate(),
    "an unconstrained assignment": () => new Circuit().input("x", 4).row("square", { x: 1n }, { x: 1n }, { y: 1n }).row("uses z", { z: 1n }, { y: 1n }, { u: 1n }).gate(),
    "is-zero whose inverse is free at zero": () => isZero().gate(["pin"]),
    "is-zero that may always say no": () => isZero().gate(["zero"]),
    "an assertion in place of a constraint: remainder without any range": () => reciprocal().gate(["rest", "room"]),
    "selectors that need not sum to one": () => selectors().gate(["one is chosen"]),
    "a selector that fits any index": () => selectors().gate(["select 2"]),
    "two selectors for one index": () =>
      new Circuit().input("i", 1).row("a", { s0: 1n }, { i: 1n }).row("b", { s1: 1n }, { i: 1n }).zero("sum", { s0: 1n, s1: 1n, one: -1n }).gate(),
  };
  for (const [name, run] of Object.entries(bugs)) {
    it(name, () => {
      const report = run();
      expect(report.ok).to.equal(false);
      expect(report.undetermined.length + report.wrapping.length + report.unranged.length).to.be.greaterThan(0);
    });
  }

  it("R8 determines selectors of a known index and gives them the range of flags", () => {
    const report = selectors().gate();
    expect(report.rules.R8).to.equal(4);
  });

  it("R9 determines by enumeration what no pattern covers, and only that", () => {
    expect(smallDomain().gate().ok).to.equal(false);
    const square = new Circuit().input("x", 4).range("range of y", { y: 1n }, 3).row("square", { y: 1n }, { y: 1n }, { x: 1n });
    expect(square.gate().rules.R9).to.be.greaterThan(0);
    expect(square.gate().ok).to.equal(true);
    // Without its range y may be the negative root.
    expect(square.gate(["range of y"]).ok).to.equal(false);
  });
});
