/**
 * The same network with npm circomlib-ml and with ours, in one run: rows, and seconds of the same prover on both.
 *
 * The peer solves a harder problem: its weights are private inputs, so a proof says "I know weights", at a row for each product. (It
 * does not say which weights: nothing commits to them. Its 1.4.4 has no remainders, so values just grow.) Ours are constants of the
 * circuit, published or at least fixed by the key. Rows of the ReLUs are comparable, rows of the products are not.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import * as snarkjs from "snarkjs";

import { CIRCUITS_DIRECTORY } from "../../../circuits/build.ts";
import { encode, weights } from "../../../circuits/models/build.ts";
import { benchmarks } from "../../../circuits/models/zoo.ts";
import type { Benchmark } from "../../../circuits/models/zoo.ts";
import { readManifest, setUpForDevelopment } from "../../../circuits/setup/manifest.ts";
import { readWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { measureModel } from "./models.ts";
import { measureProving } from "./prove.ts";

interface Peer {
  name: string;
  /** Of the peer's circuit: integers, as its layers want them. */
  input(): Record<string, unknown>;
  ours: Pick<Benchmark, "name" | "onnx" | "options">;
}

/** Small integers in the shape that is asked for. */
function grid(shape: readonly number[], modulus: number, shift = 0): unknown {
  let at = 0;
  const build = ([size = 0, ...rest]: readonly number[]): unknown =>
    Array.from({ length: size }, () => (rest.length > 0 ? build(rest) : ((at++ * 7919 + 13) % modulus) - shift));
  return build(shape);
}

const convolution = (): Uint8Array =>
  encode({
    inputs: { x: [1, 1, 8, 8] },
    constants: { k: weights([2, 1, 3, 3], 0.4, 3), c: weights([2], 0.1, 4) },
    nodes: [{ op: "Conv", in: ["x", "k", "c"], out: ["t"], attrs: { kernel_shape: [3, 3] } }, { op: "Relu", in: ["t"], out: ["y"] }],
    outputs: ["y"],
  });

const bits = { inputBits: 8, weightBits: 8, activationBits: 8, inputs: { x: { lo: 0, hi: 1 } }, inputMode: "words" } as const;

export const PEERS: readonly Peer[] = [
  {
    name: "peer-dense",
    input: () => ({ in: grid([784], 256), w1: grid([784, 56], 255, 127), b1: grid([56], 255, 127), w2: grid([56, 10], 255, 127), b2: grid([10], 255, 127) }),
    ours: benchmarks.find(({ name }) => name === "mlp-784-56-10")!,
  },
  {
    name: "peer-conv",
    input: () => ({ in: grid([8, 8, 1], 256), w: grid([3, 3, 1, 2], 255, 127), b: grid([2], 255, 127) }),
    ours: { name: "conv-8x8", onnx: convolution, options: bits },
  },
];

const folderOf = (name: string) => join(CIRCUITS_DIRECTORY, "bench", name);

/** Circuit, key and witness of a peer's network; kept. */
export async function buildPeer(name: string): Promise<void> {
  const peer = PEERS.find((each) => each.name === name)!;
  const folder = folderOf(name);
  if (existsSync(join(folder, "setup.json"))) return;
  mkdirSync(folder, { recursive: true });
  const source = name.replace("peer-", "");
  // circom runs from the root and takes relative paths only.
  execFileSync("node_modules/.bin/circom2", [`scripts/bench/zk/peers/${source}.circom`, "--O1", "--r1cs", "--wasm", "-o", `.cache/zk/bench/${name}`], { stdio: "pipe" });
  writeFileSync(join(folder, "input.json"), JSON.stringify(peer.input()));
  await snarkjs.wtns.calculate(peer.input(), join(folder, `${source}_js/${source}.wasm`), join(folder, "model.wtns"));
  await setUpForDevelopment(join(folder, `${source}.r1cs`), folder);
}

/** Stands beside the figures wherever they are shown. */
export const PEER_NOTE =
  "beside npm circomlib-ml 1.4.4, whose problem is harder: its weights are private inputs (nothing commits to them), a row for each product; ours are constants. ReLUs compare, products do not";

export interface PeerFigures {
  [figure: string]: number;
}

export async function measurePeer({ name, ours }: Peer, print: (line: string) => void): Promise<PeerFigures> {
  const folder = folderOf(name);
  const zkey = join(folder, "proving.zkey");
  const witness = join(folder, "model.wtns");
  const key = readVerifyingKey(zkey);
  const { figures } = await measureProving({ zkey, witness, key, publicInputs: readWitness(witness, key.ic.length).slice(1) });
  const own = await measureModel(ours, () => {});
  const made = {
    peerRows: readManifest(folder).rows,
    rows: own.rows,
    peerSeconds: figures.seconds,
    seconds: own.seconds,
    ...(figures.nativeSeconds === undefined || own.nativeSeconds === undefined ? {} : { peerNativeSeconds: figures.nativeSeconds, nativeSeconds: own.nativeSeconds }),
  };
  print(`${name.replace("peer", "circomlib-ml")}: ${JSON.stringify(made)}`);
  return made;
}
