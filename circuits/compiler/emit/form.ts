import type { IntGraph } from "../integer/finish.ts";
import type { IntNode } from "../integer/graph.ts";

/** A linear form over wires: what a node is in the circuit. */
export interface Form {
  readonly terms: ReadonlyMap<number, bigint>;
  readonly c: bigint;
}

/** Linear forms of nodes; sums without a wire of their own are expanded. */
export class Forms {
  readonly #graph: IntGraph;
  readonly #known = new Map<number, Form>();

  constructor(graph: IntGraph) {
    this.#graph = graph;
  }

  of(id: number): Form {
    const known = this.#known.get(id);
    if (known) return known;
    const n = this.#graph.nodes[id] as IntNode;
    const form = this.#wireForm(n) ?? this.expand(n);
    this.#known.set(id, form);
    return form;
  }

  #wireForm(n: IntNode): Form | undefined {
    const at = this.#graph.wireOf[n.id] as number;
    if (n.op === "eqz") return { terms: new Map([[at + 1, 1n]]), c: 0n };
    return at >= 0 && n.op !== "bits" && n.op !== "zero" ? { terms: new Map([[at, 1n]]), c: 0n } : undefined;
  }

  /** The definition of a sum, field, digit or bound, even if it also has a wire. */
  expand(n: IntNode): Form {
    if (n.op === "bound") return this.of(n.args[0] as number);
    if (n.op === "bit" || n.op === "field") {
      const base = this.#graph.wireOf[n.args[0] as number] as number;
      const from = n.n[0] as number;
      const to = n.op === "bit" ? from + 1 : (n.n[1] as number);
      const terms = new Map<number, bigint>();
      for (let i = from; i < to; i++) terms.set(base + i, 1n << BigInt(i - from));
      return { terms, c: 0n };
    }
    if (n.op !== "lin") throw new RangeError(`node ${n.id} (${n.op}) has no linear form`);
    return combine(n.args.map((a, i) => [this.of(a), n.k[i] as bigint]), n.c);
  }
}

export function combine(parts: readonly (readonly [Form, bigint])[], constant: bigint): Form {
  const terms = new Map<number, bigint>();
  let c = constant;
  for (const [form, k] of parts) {
    c += k * form.c;
    for (const [wire, f] of form.terms) terms.set(wire, (terms.get(wire) ?? 0n) + k * f);
  }
  for (const [wire, f] of terms) if (f === 0n) terms.delete(wire);
  return { terms, c };
}
