/**
 * Writes a circuit that computes a compiled model N times in one proof.
 *
 * Public: c, e, h. Private: each slot's input word, output word and wires. It states that every slot satisfies the model, that h is
 * the Poseidon sponge of the input words, and that e is the slots' polynomial at c (see contracts/settlement/Groth16Many.sol for
 * why c must come after h).
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { emitCommitment } from "./commitment.ts";
import { runCircom } from "../compiler/emit/run.ts";

const SIGNALS = /template Model\(\) \{\n {2}signal input ctx;\n {2}signal input in\[1\];\n {2}signal input out\[1\];\n {2}signal input w\[(\d+)\];/;

/** `model` is the text of model.circom. */
export function emitMany(model: string, slots: number): string {
  const shape = SIGNALS.exec(model);
  if (!shape) throw new RangeError("many-in-one needs a model with one input word (packed or hashed) and one output word");
  const wires = Number(shape[1]);
  const commitment = emitCommitment(slots);
  return [
    model.slice(0, model.indexOf("component main")).trimEnd(),
    "",
    `// ${slots} slots: circuits/many.`,
    "template Many() {",
    "  signal input c;",
    "  signal input e;",
    "  signal input h;",
    // s: input words of the slots, then wires of the commitment.
    `  signal input s[${slots + commitment.wires}];`,
    `  signal input out[${slots}];`,
    `  signal input w[${slots}][${wires}];`,
    `  signal input t[${2 * slots}];`,
    ...commitment.declarations,
    `  component m[${slots}];`,
    `  for (var i = 0; i < ${slots}; i++) {`,
    "    m[i] = Model();",
    "    m[i].ctx <== 0;",
    "    m[i].in[0] <== s[i];",
    "    m[i].out[0] <== out[i];",
    `    for (var j = 0; j < ${wires}; j++) { m[i].w[j] <== w[i][j]; }`,
    "  }",
    "  // Horner's rule from the last slot.",
    `  t[${2 * slots - 1}] === out[${slots - 1}]*c;`,
    `  for (var i = 0; i < ${slots}; i++) { t[2*i] === (t[2*i + 1] + s[i])*c; }`,
    `  for (var i = 0; i < ${slots - 1}; i++) { t[2*i + 1] === (t[2*i + 2] + out[i])*c; }`,
    "  e === t[0];",
    "  // h",
    ...commitment.lines,
    "}",
    "",
    "component main {public [c, e, h]} = Many();",
    "",
  ].join("\n");
}

/** many.circom, .r1cs and .sym in `directory`, from a folder of writeArtifacts. */
export async function writeMany(modelDirectory: string, directory: string, slots: number): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "many.circom"), emitMany(await readFile(join(modelDirectory, "model.circom"), "utf8"), slots));
  await runCircom(directory, "many.circom");
}
