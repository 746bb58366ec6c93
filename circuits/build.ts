import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CompileOptions, compileModel, writeArtifacts } from "./compiler/index.ts";
import { encodeKey, type Hex } from "./setup/encode.ts";
import { type SetupManifest, readManifest, setUpForDevelopment } from "./setup/manifest.ts";
import { readVerifyingKey } from "./setup/zkey.ts";

/** Where built circuits are kept; proving keys are too large for git. */
export const CIRCUITS_DIRECTORY = fileURLToPath(new URL("../.cache/zk", import.meta.url));

/** A model's circuit with a development key, ready to register and to prove with. */
export interface BuiltCircuit {
  /** model.circom, graph.json, public.json, certificate.json, model.r1cs, model.sym and the key's files. */
  directory: string;
  setup: SetupManifest;
  zkey: string;
  /** For Groth16Keys.register. */
  keyBytes: Hex;
}

/**
 * ONNX file to circuit to development key, in `CIRCUITS_DIRECTORY/<name>`. What is there already and was made from the same
 * bytes, options and compiler is kept: the stamp is written last.
 */
export async function buildCircuit(name: string, onnx: Uint8Array, options: CompileOptions = {}): Promise<BuiltCircuit> {
  const directory = join(CIRCUITS_DIRECTORY, name);
  const stamp = createHash("sha256").update(onnx).update(JSON.stringify(options)).update(compilerHash()).digest("hex");
  const stampFile = join(directory, "built");
  if (!existsSync(stampFile) || (await readFile(stampFile, "utf8")) !== stamp) {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    await writeArtifacts(await compileModel(onnx, options), directory);
    await setUpForDevelopment(join(directory, "model.r1cs"), directory);
    await writeFile(`${stampFile}.new`, stamp);
    await rename(`${stampFile}.new`, stampFile);
  }
  return openCircuit(directory);
}

/** Hash over the sources of compiler and set-up: another compiler may make another circuit of the same model. */
function compilerHash(): string {
  const here = fileURLToPath(new URL(".", import.meta.url));
  const hash = createHash("sha256");
  for (const file of globSync(["compiler/**/*.ts", "setup/**/*.ts"], { cwd: here }).sort()) hash.update(file).update(readFileSync(join(here, file)));
  return hash.digest("hex");
}

/** Opens a circuit that was built before. */
export function openCircuit(directory: string): BuiltCircuit {
  const zkey = join(directory, "proving.zkey");
  return { directory, setup: readManifest(directory), zkey, keyBytes: encodeKey(readVerifyingKey(zkey)) };
}
