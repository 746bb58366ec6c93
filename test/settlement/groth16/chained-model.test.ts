import { expect } from "chai";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as snarkjs from "snarkjs";

import { calculateChain, compileChain, decodeOutput, loadModel, quantizeInput, readR1cs, violatedRow, writeArtifacts, type ChainModel, type LoadedModel } from "../../../circuits/compiler/index.ts";
import { checkModel } from "../../../circuits/compiler/check/check.ts";
import { encode, weights } from "../../../circuits/models/build.ts";
import { encodeProof, word, type Hex } from "../../../circuits/setup/encode.ts";
import { setUpForDevelopment, type SetupFiles } from "../../../circuits/setup/manifest.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { closeSnarkjs } from "../../circuits/setup/tools.ts";
import { runtime } from "../../circuits/compiler/oracle.ts";
import { deploy } from "./tools.ts";

/** Two hidden layers, a residual that crosses a cut untouched, a softmax: three circuits, linked by commitments. */
const onnx = encode({
  inputs: { x: [1, 6] },
  constants: { w1: weights([6, 6], 0.6, 1), b1: weights([6], 0.2, 2), w2: weights([6, 6], 0.6, 3), w3: weights([6, 3], 0.8, 4) },
  nodes: [
    { op: "Gemm", in: ["x", "w1", "b1"], out: ["a"] }, { op: "Relu", in: ["a"], out: ["h"] }, { op: "MatMul", in: ["h", "w2"], out: ["b"] }, { op: "Tanh", in: ["b"], out: ["t"] },
    { op: "Add", in: ["t", "h"], out: ["s"] }, { op: "MatMul", in: ["s", "w3"], out: ["z"] }, { op: "Softmax", in: ["z"], out: ["y"] },
  ],
  outputs: ["y"],
});

describe("a compiled model as a chain of layers, on chain", () => {
  const CTX = 0x1234n;
  const INPUT = { x: [0.5, -0.25, 0.75, -1, 0.125, 0.9] };
  const SALTS = [11n, 22n, 33n];
  let model: ChainModel;
  let directory: string;
  let loaded: LoadedModel[];
  let files: SetupFiles[];
  let deployed: Awaited<ReturnType<typeof deploy>>;
  let chain: Awaited<ReturnType<typeof deploy>>["verifier"];
  let statement: bigint[];
  let between: bigint[];
  let proofs: Hex[];

  async function prove(values: readonly bigint[], ctx: bigint, salts: readonly bigint[]): Promise<{ proofs: Hex[]; publics: bigint[][] }> {
    const witnesses = calculateChain(loaded, values, ctx, salts);
    const made: Hex[] = [];
    for (const [k, w] of witnesses.entries()) {
      const r1cs = readR1cs(readFileSync(join(directory, String(k), "model.r1cs")));
      expect(violatedRow(r1cs, w.values), `layer ${k}`).to.equal(-1);
      const path = join(directory, `${k}.wtns`);
      writeWitness(path, w.values);
      const { proof } = await snarkjs.groth16.prove((files[k] as SetupFiles).zkey, path);
      made.push(encodeProof({ ...proof }));
    }
    return { proofs: made, publics: witnesses.map((w) => w.publicInputs) };
  }

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "og-chain-"));
    model = compileChain(onnx, 3, { outputBits: 16 });
    loaded = [];
    files = [];
    deployed = await deploy();
    for (const [k, layer] of model.layers.entries()) {
      const folder = join(directory, String(k));
      await writeArtifacts(layer, folder);
      loaded.push(await loadModel(folder));
      const made = await setUpForDevelopment(join(folder, "model.r1cs"), folder);
      files.push(made);
      await (await deployed.keys.register(made.keyBytes)).wait();
    }
    const hashes = files.map((f) => f.manifest.vkHash);
    await (await deployed.keys.registerChain(hashes)).wait();
    const { ethers } = deployed;
    const chainHash = ethers.keccak256(ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "bytes32[]"], [await deployed.keys.CHAIN_TAG(), hashes]));
    chain = await ethers.getContractAt("Groth16Verifier", await deployed.keys.verifierOf(chainHash));
    const made = await prove(quantizeInput(model, INPUT).values, CTX, SALTS);
    proofs = made.proofs;
    between = made.publics.slice(0, -1).map((p) => p[2] as bigint);
    statement = [CTX, made.publics[0]?.[1] as bigint, made.publics[2]?.[2] as bigint];
    // Each layer takes what the one before it hands on: the same commitment on both sides.
    made.publics.slice(1).forEach((p, k) => expect(p).to.deep.include.members([CTX, between[k] as bigint]));
    expect(made.publics.every((p) => p.length === 3)).to.equal(true);
  });
  after(async () => {
    await closeSnarkjs();
    await rm(directory, { recursive: true, force: true });
  });

  const pack = (list: readonly Hex[], words: readonly bigint[] = between): Hex => `0x${list.map((p) => p.slice(2)).join("")}${words.map(word).join("")}`;

  it("computes what ONNX Runtime computes, within the stated error", async () => {
    const want = (await runtime(onnx, { x: { shape: [1, 6], data: INPUT.x } })).y as number[];
    const got = decodeOutput((loaded[2] as LoadedModel).graph.outputs, [statement[2] as bigint]);
    expect(got.status).to.equal(0);
    want.forEach((v, i) => expect(Math.abs(v - (got.tensors.y?.[i] as number))).to.be.at.most(model.errors[0]?.bound as number));
    expect(model.errors[0]?.vacuous).to.equal(false);
  });

  it("every layer passes the independent checker, and neighbours pack the same lanes", () => {
    const read = (k: number, name: string): string => readFileSync(join(directory, String(k), name), "utf8");
    const layouts = model.layers.map((_, k) => {
      const published = { graph: read(k, "graph.json"), publicJson: read(k, "public.json"), certificate: read(k, "certificate.json"), sym: read(k, "model.sym") };
      const report = checkModel({ ...published, r1cs: readFileSync(join(directory, String(k), "model.r1cs")) });
      expect(report.rows.hash).to.be.greaterThan(0);
      const { packing } = JSON.parse(published.publicJson) as { packing: Record<"inputs" | "outputs", { word: number; offset: number; width: number; lo: string; exponent: number }[]> };
      const lanes = (side: "inputs" | "outputs"): object[] => packing[side].map(({ word: w, offset, width, lo, exponent }) => ({ w, offset, width, lo, exponent }));
      return { inputs: lanes("inputs"), outputs: lanes("outputs") };
    });
    for (let k = 1; k < layouts.length; k++) expect(layouts[k]?.inputs).to.deep.equal(layouts[k - 1]?.outputs);
  });

  it("settles: the chain verifier accepts the proofs of all layers", async () => {
    expect(model.layers).to.have.length(3);
    expect(await chain.verify(pack(proofs), statement)).to.equal(true);
  });

  it("refuses another output, another context, another commitment between layers, and layers out of order", async () => {
    const moved = (i: number): bigint[] => statement.map((v, k) => (k === i ? v + 1n : v));
    for (const i of [0, 1, 2]) expect(await chain.verify(pack(proofs), moved(i))).to.equal(false);
    expect(await chain.verify(pack(proofs, [(between[0] as bigint) + 1n, between[1] as bigint]), statement)).to.equal(false);
    expect(await chain.verify(pack([proofs[1] as Hex, proofs[0] as Hex, proofs[2] as Hex]), statement)).to.equal(false);
  });

  it("refuses a layer that was computed from other activations, even for the same context", async () => {
    const other = await prove(quantizeInput(model, { x: INPUT.x.map((v) => -v) }).values, CTX, SALTS);
    expect(await chain.verify(pack([proofs[0] as Hex, other.proofs[1] as Hex, proofs[2] as Hex]), statement)).to.equal(false);
    expect(await chain.verify(pack([proofs[0] as Hex, other.proofs[1] as Hex, other.proofs[2] as Hex], between), statement)).to.equal(false);
  });

  it("refuses a chain whose output needs more than one word, with the number of words", () => {
    expect(() => compileChain(onnx, 2, { outputBits: 120 })).to.throw("takes 2 words");
  });
});
