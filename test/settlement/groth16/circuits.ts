/** Compiled models with keys that are registered on a settlement chain, one of each kind that a verifier takes. */
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { calculateChain, calculateWitness, compileChain, compileModel, loadModel, readSym, writeArtifacts, type LoadedModel } from "../../../circuits/compiler/index.ts";
import { flat } from "../../../circuits/many/challenge.ts";
import { writeMany } from "../../../circuits/many/circuit.ts";
import { manyWitness } from "../../../circuits/many/witness.ts";
import { encode, weights } from "../../../circuits/models/build.ts";
import { mlp } from "../../../circuits/models/zoo.ts";
import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { encodeKey, keccak, statementHash, word } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { type VerifyingKey, readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { wasmProver } from "../../../keepers/proving/provers.ts";
import { CACHE } from "../../circuits/setup/tools.ts";
import { type World, ZERO, bytes32 } from "../../utils/settlement-world.ts";
import { LIMITS } from "../../utils/limits.ts";

/** Not the development trapdoor; layers share all but delta, as those of one phase 1 do. */
const SECRETS = { tau: 3n, alpha: 5n, beta: 7n, gamma: 1n };

/** Statements in the verifier's order: `order[i]` tells whose context stands i-th. */
export interface Proofs {
  proofs: Hex;
  statements: bigint[];
  order: number[];
}

export interface ProvableModel {
  title: string;
  modelId: Hex;
  /** Proofs of 256 bytes at the head of `proofs`, for a batch of one. */
  points: number;
  /** A proof of some output for each context. */
  prove(contexts: readonly bigint[]): Promise<Proofs>;
}

const keysOf = (w: World) => w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
const hashOf = (w: World, types: string[], values: unknown[]) => w.ethers.keccak256(w.ethers.AbiCoder.defaultAbiCoder().encode(types, values)) as Hex;
const values = (boxes: readonly { lo: bigint; hi: bigint }[], seed: bigint) => boxes.map(({ lo, hi }, i) => lo + (((seed + 3n) * BigInt(i + 5) * 7919n) % (hi - lo + 1n)));

async function keyOf(folder: string, r1cs: string, delta: bigint): Promise<{ zkey: string; key: VerifyingKey }> {
  const zkey = join(folder, "proving.zkey");
  await makeDevelopmentKey(r1cs, zkey, { ...SECRETS, delta });
  return { zkey, key: readVerifyingKey(zkey) };
}

async function publish(w: World, title: string, vkHash: Hex): Promise<Hex> {
  const model = {
    name: title, version: "1", programHash: bytes32("program"), kind: 2, blobId: bytes32("blob"), contentHash: bytes32("content"), manifestHash: bytes32("manifest"), circuitHash: ZERO, weightsHash: ZERO,
    methods: 0b01100, vkHash, royaltyTo: "0x0000000000000000000000000000000000000000", royaltyBps: 0, licence: "MIT",
  };
  await w.models.publishModel(model);
  return (await w.models.modelIdOf(w.admin.address, model)) as Hex;
}

const inOrder = (made: { proof: string; inputs: bigint[] }[]): Proofs => {
  const order = made.map(({ inputs }, index) => ({ index, hash: statementHash(inputs) })).sort((a, b) => (a.hash < b.hash ? -1 : 1)).map(({ index }) => index);
  return { proofs: `0x${order.map((index) => made[index]!.proof.slice(2)).join("")}`, statements: order.flatMap((index) => made[index]!.inputs), order };
};

/** One circuit; `width` inputs: 4 fit into a word, 24 are committed to. */
export async function bakedModel(w: World, width: number): Promise<ProvableModel & { model: LoadedModel }> {
  const folder = `${CACHE}/settled-baked-${width}`;
  await writeArtifacts(compileModel(mlp([width, 3, 2], 5, true), { inputs: { x: { lo: -2, hi: 2 } } }), folder);
  const { zkey, key } = await keyOf(folder, join(folder, "model.r1cs"), BigInt(100 + width));
  await (await (await keysOf(w)).register(encodeKey(key))).wait();
  const model = await loadModel(folder);
  const title = `one circuit, ${width} inputs`;
  return {
    model, title, points: 1, modelId: await publish(w, title, keccak(encodeKey(key))),
    async prove(contexts) {
      const made = [];
      for (const [i, ctx] of contexts.entries()) {
        const { values: wires, publicInputs } = calculateWitness(model, model.sym, values(model.boxes, BigInt(i)), ctx, 99n);
        writeWitness(`${folder}/model.wtns`, wires);
        const { proof } = await wasmProver().prove({ zkey, witness: `${folder}/model.wtns`, key, publicInputs }, LIMITS);
        made.push({ proof, inputs: [...publicInputs] });
      }
      return inOrder(made);
    },
  };
}

/** Two circuits, linked by a commitment. */
export async function chainModel(w: World): Promise<ProvableModel> {
  const onnx = encode({
    inputs: { x: [1, 4] },
    constants: { w1: weights([4, 4], 0.6, 1), b1: weights([4], 0.2, 2), w2: weights([4, 2], 0.6, 3) },
    nodes: [{ op: "Gemm", in: ["x", "w1", "b1"], out: ["a"] }, { op: "Relu", in: ["a"], out: ["h"] }, { op: "MatMul", in: ["h", "w2"], out: ["b"] }, { op: "Relu", in: ["b"], out: ["y"] }],
    outputs: ["y"],
  });
  const keys = await keysOf(w);
  const layers: { folder: string; zkey: string; key: VerifyingKey; model: LoadedModel }[] = [];
  for (const [k, layer] of compileChain(onnx, 2, { outputBits: 16 }).layers.entries()) {
    const folder = `${CACHE}/settled-chain-${k}`;
    mkdirSync(folder, { recursive: true });
    await writeArtifacts(layer, folder);
    const made = await keyOf(folder, join(folder, "model.r1cs"), BigInt(200 + k));
    await (await keys.register(encodeKey(made.key))).wait();
    layers.push({ folder, ...made, model: await loadModel(folder) });
  }
  const hashes = layers.map(({ key }) => keccak(encodeKey(key)));
  await (await keys.registerChain(hashes)).wait();
  const title = "a chain of layers";
  return {
    title, points: layers.length, modelId: await publish(w, title, hashOf(w, ["bytes32", "bytes32[]"], [await keys.CHAIN_TAG(), hashes])),
    async prove(contexts) {
      const made = [];
      for (const [i, ctx] of contexts.entries()) {
        const witnesses = calculateChain(layers.map(({ model }) => model), values(layers[0]!.model.boxes, BigInt(i)), ctx, [11n, 22n]);
        let proof = "0x";
        for (const [k, { folder, zkey, key }] of layers.entries()) {
          const witness = join(folder, "model.wtns");
          writeWitness(witness, witnesses[k]!.values);
          proof += (await wasmProver().prove({ zkey, witness, key, publicInputs: witnesses[k]!.publicInputs }, LIMITS)).proof.slice(2);
        }
        const [first, last] = [witnesses[0]!.publicInputs, witnesses[1]!.publicInputs];
        made.push({ proof: `${proof}${word(first[2]!)}`, inputs: [first[0]!, first[1]!, last[2]!] });
      }
      return inOrder(made);
    },
  };
}

/** A circuit that computes `slots` items; one proof for each group of as many contexts. */
export async function manyModel(w: World, slots: number): Promise<ProvableModel> {
  const folder = `${CACHE}/settled-many`;
  await writeArtifacts(compileModel(mlp([4, 2, 1], 5, true), { inputs: { x: { lo: -2, hi: 2 } } }), `${folder}/one`);
  await writeMany(`${folder}/one`, folder, slots);
  const { zkey, key } = await keyOf(folder, `${folder}/many.r1cs`, 300n);
  const keys = await keysOf(w);
  const keyHash = keccak(encodeKey(key));
  await (await keys.register(encodeKey(key))).wait();
  await (await keys.registerMany(keyHash, slots)).wait();
  const vkHash = hashOf(w, ["bytes32", "bytes32", "uint16"], [await keys.MANY_TAG(), keyHash, slots]);
  const verifier = (await keys.verifierOf(vkHash)) as Hex;
  const model = await loadModel(`${folder}/one`);
  const sym = readSym(await readFile(`${folder}/many.sym`, "utf8"));
  const place = { chainId: BigInt(w.chainId), verifier, vkHash };
  const title = "many inferences in one proof";
  return {
    title, points: 1, modelId: await publish(w, title, vkHash),
    async prove(contexts) {
      // Groups are cut from the list in the verifier's order, so all items are computed first.
      const requests = contexts.map((ctx, i) => ({ ctx, values: values(model.boxes, BigInt(i)) }));
      const whole = requests.map((request) => manyWitness(model, sym, slots, [request], place).items[0]!);
      const order = whole.map((item, index) => ({ index, hash: statementHash(flat([item])) })).sort((a, b) => (a.hash < b.hash ? -1 : 1)).map(({ index }) => index);
      let proofs = "0x";
      for (let at = 0; at < order.length; at += slots) {
        const made = manyWitness(model, sym, slots, order.slice(at, at + slots).map((index) => requests[index]!), place);
        writeWitness(`${folder}/many.wtns`, made.values);
        const { proof } = await wasmProver().prove({ zkey, witness: `${folder}/many.wtns`, key, publicInputs: made.publicInputs }, LIMITS);
        proofs += proof.slice(2) + made.suffix.slice(2);
      }
      return { proofs: proofs as Hex, statements: order.flatMap((index) => flat([whole[index]!])), order };
    },
  };
}
