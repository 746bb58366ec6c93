import { expect } from "chai";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  calculateWitness, compileModel, loadModel, readR1cs, violatedRow, writeArtifacts, type LoadedModel,
} from "../../../circuits/compiler/index.ts";
import type { R1cs } from "../../../circuits/compiler/emit/r1cs.ts";
import { mlp } from "../../../circuits/models/zoo.ts";

/**
 * The class flip: elsewhere a quotient can be raised by one while its remainder sinks by the divisor, because the remainder is only
 * asserted and not constrained. Every step of that forgery is tried here.
 */
describe("circuits/compiler: the class-flip forgery", () => {
  let model: LoadedModel;
  let r1cs: R1cs;
  let honest: bigint[];

  before(async () => {
    const directory = mkdtempSync(join(tmpdir(), "og-forge-"));
    await writeArtifacts(compileModel(mlp([8, 6, 3], 5), { inputBits: 6, weightBits: 6, activationBits: 6 }), directory);
    model = await loadModel(directory);
    r1cs = readR1cs(readFileSync(join(directory, "model.r1cs")));
    honest = calculateWitness(model, model.sym, model.boxes.map((b, i) => b.lo + BigInt(5 * i)), 3n).values;
    rmSync(directory, { recursive: true, force: true });
  });

  const at = (wire: number): number => model.sym.get(`main.w[${wire}]`) as number;

  it("fails for every activation: quotient up by one, remainder digits changed to match the sum", () => {
    expect(violatedRow(r1cs, honest)).to.equal(-1);
    const ramps = model.graph.nodes.filter((n) => n.op === "relu");
    expect(ramps.length).to.be.greaterThan(3);
    for (const n of ramps) {
      const bits = model.graph.nodes[n.args[0] as number];
      const base = model.graph.wireOf[n.args[0] as number] as number;
      const shift = n.n[0] as number;
      for (const digit of [shift, shift + 1]) {
        const forged = honest.slice();
        // The digit that carries one (or two) of the quotient goes up by one and the lowest digit pays for it: the sum still holds.
        forged[at(base + digit)] = (forged[at(base + digit)] as bigint) + 1n;
        const low = (forged[at(base)] as bigint) - (1n << BigInt(digit));
        forged[at(base)] = ((low % r1cs.prime) + r1cs.prime) % r1cs.prime;
        const value = at(model.graph.wireOf[n.id] as number);
        forged[value] = (forged[value] as bigint) + (1n << BigInt(digit - shift));
        expect(bits?.op).to.equal("bits");
        expect(violatedRow(r1cs, forged)).to.not.equal(-1);
      }
    }
  });

  it("fails for the output: a lane raised or lowered, with or without its neighbour", () => {
    const out = model.sym.get("main.out[0]") as number;
    for (const l of model.graph.outputs.slice(1)) {
      for (const step of [1n, -1n]) {
        const forged = honest.slice();
        forged[out] = (forged[out] as bigint) + (step << BigInt(l.shift));
        expect(violatedRow(r1cs, forged)).to.not.equal(-1);
      }
    }
  });
});
