import type { R1cs } from "../emit/r1cs.ts";
import { outputStart } from "../emit/sponge.ts";
import type { IntGraph } from "../integer/finish.ts";
import type { IntNode } from "../integer/graph.ts";
import { runGate, type GateInput, type GateReport } from "./gate.ts";

export { runGate, type GateInput, type GateReport } from "./gate.ts";

/** Where the statement's own wires lie in the R1CS of a compiled model. */
export function gateInput(graph: IntGraph, sym: ReadonlyMap<string, number>, hashed: boolean, hashedOutput = false, hashedWeights = false): GateInput {
  const wire = (name: string): number => sym.get(`main.${name}`) ?? -1;
  // A lane that is all of its word is the word: circom keeps one of the two names.
  const laneWire = (own: number, word: number, name: "in" | "weights"): number => {
    const at = wire(`w[${own}]`);
    if (at >= 0) return at;
    if (name === "weights") return wire(hashedWeights ? `w[${outputStart(graph, hashed) + 1 + word}]` : `weights[${word}]`);
    return hashed ? wire(`w[${graph.wires + 1 + word}]`) : wire(`in[${word}]`);
  };
  const lanes = graph.inputs.map((l) => ({
    wire: laneWire(graph.wireOf[l.node] as number, l.word, "in"),
    lo: l.lo,
    hi: l.lo + (1n << BigInt(l.w)) - 1n,
  }));
  for (const l of graph.weights) {
    const { lo, hi } = graph.nodes[l.node] as IntNode;
    lanes.push({ wire: laneWire(graph.wireOf[l.node] as number, l.word, "weights"), lo, hi });
  }
  const field = new Set<number>();
  if (hashed) field.add(wire("in[0]"));
  if (hashedOutput) field.add(wire("out[0]"));
  if (hashedWeights) field.add(wire("weights[0]"));
  if (hashed || hashedOutput || hashedWeights) {
    for (let i = graph.wires; sym.has(`main.w[${i}]`); i++) field.add(wire(`w[${i}]`));
  }
  const salt = hashed ? [wire(`w[${graph.wires}]`)] : [];
  if (hashedOutput) salt.push(wire(`w[${outputStart(graph, hashed)}]`));
  if (hashedWeights) salt.push(wire(`w[${outputStart(graph, hashed)}]`));
  // A word of weights is an integer with digits, whichever of its two names circom kept.
  for (const l of graph.weights) field.delete(laneWire(graph.wireOf[l.node] as number, l.word, "weights"));
  return { given: [wire("ctx"), ...lanes.map((l) => l.wire), ...salt], lanes, field };
}

export function gateModel(r1cs: R1cs, graph: IntGraph, sym: ReadonlyMap<string, number>, hashed: boolean, hashedOutput = false, hashedWeights = false): GateReport {
  return runGate(r1cs, gateInput(graph, sym, hashed, hashedOutput, hashedWeights));
}
