import { mkdirSync } from "node:fs";

import { bn254 } from "@noble/curves/bn254.js";
import { expect } from "chai";
import type { BaseContract } from "ethers";

import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { encodeKey, keccak, word } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { mod, Q } from "../../../circuits/setup/field.ts";
import { findFalseChunk, planClaim } from "../../../circuits/setup/fold-claim.ts";
import type { Chunks, FalseChunk } from "../../../circuits/setup/fold-claim.ts";
import { packWeights, planFold } from "../../../circuits/setup/fold.ts";
import type { FoldPlan } from "../../../circuits/setup/fold.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import type { G1, VerifyingKey } from "../../../circuits/setup/zkey.ts";
import { wasmProver } from "../../../keepers/proving/provers.ts";
import { CACHE, compile } from "../../circuits/setup/tools.ts";
import { deploy } from "./tools.ts";
import { LIMITS } from "../../utils/limits.ts";

const WORDS = 70;
const LANES = { lanes: 9, laneBits: 28 };
const BOND = 1_000_001n;
const WINDOW = 3_600;
const { Point } = bn254.G1;

describe("Groth16FoldClaims", () => {
  let deployed: Awaited<ReturnType<typeof deploy>>;
  let fold: BaseContract;
  let challenger: BaseContract;
  let me: string;
  let them: string;
  let full: VerifyingKey;
  let zkey: string;
  let plan: FoldPlan;
  let honest: Chunks;
  let circuitHash: string;
  let salts = 0;

  before(async () => {
    deployed = await deploy();
    const { ethers, authority, keys } = deployed;
    fold = await ethers.deployContract("Groth16Fold", [await authority.getAddress(), await keys.getAddress(), BOND, WINDOW]);
    const [first, second] = await ethers.getSigners();
    [me, them] = [first!.address, second!.address];
    challenger = fold.connect(second!) as BaseContract;
    mkdirSync(CACHE, { recursive: true });
    zkey = `${CACHE}/universal-claims.zkey`;
    await makeDevelopmentKey(compile("universal"), zkey, { tau: 31n, alpha: 32n, beta: 33n, gamma: 1n, delta: 34n });
    full = readVerifyingKey(zkey);
    const weights = Int8Array.from({ length: WORDS * LANES.lanes - 4 }, (_, i) => ((i * 41) % 256) - 128);
    plan = planFold(full, 3, weights, LANES);
    honest = planClaim(plan, LANES);
    const args = [plan.base, plan.chunkHashes, plan.weights, LANES.lanes, LANES.laneBits];
    circuitHash = await fold.getFunction("registerCircuit").staticCall(...args);
    await (await fold.getFunction("registerCircuit")(...args)).wait();
  });

  const newSalt = () => `0x${word(BigInt(++salts))}`;
  const call = (name: string, ...args: unknown[]) => fold.getFunction(name)(...args);
  const post = (salt: string, chunks: Chunks, value = BOND) => fold.getFunction("postChunks")(circuitHash, salt, chunks, { value });
  const refute = (salt: string, { chunk, sums, points, weights }: FalseChunk, by = challenger) => by.getFunction("refute")({ circuitHash, registrant: me, salt, chunk }, sums, points, weights);
  const refused = (promise: Promise<unknown>, error: string, ...values: unknown[]) => expect(promise).to.be.revertedWithCustomError(fold, error).withArgs(...values);
  const claimId = (salt: string) => deployed.ethers.keccak256(deployed.ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "address", "bytes32"], [circuitHash, me, salt]));
  const later = (seconds: number) => deployed.connection.networkHelpers.time.increase(seconds);
  const part = (chunks: Chunks, chunk: number): Chunks => ({ points: plan.chunks[chunk]!.points, weights: plan.chunks[chunk]!.weights, sums: `0x${chunks.sums.slice(2 + 128 * chunk, 130 + 128 * chunk)}` });
  /** The honest claim with another point as the sum of `chunk`. */
  const claiming = (chunk: number, [x, y]: G1): Chunks => ({ ...honest, sums: `0x${honest.sums.slice(2, 2 + 128 * chunk)}${word(x)}${word(y)}${honest.sums.slice(130 + 128 * chunk)}` });
  const affine = (point: InstanceType<typeof Point>): G1 => [point.toAffine().x, point.toAffine().y];

  it("lets a claim that nobody refutes stand: the key is folded when the window has closed, and proofs verify under it", async () => {
    const salt = newSalt();
    await post(salt, honest);
    await expect(call("sealClaim", circuitHash, salt, plan.base)).to.emit(fold, "Groth16FoldClaimed");
    expect(await call("isFolded", plan.vkHash, circuitHash, plan.weightsHash)).to.equal(false);
    const [posted, closesAt, weightsHash] = await call("claimOf", circuitHash, me, salt);
    expect([posted, weightsHash]).to.deep.equal([2n, plan.weightsHash]);
    await refused(call("finishClaim", circuitHash, me, salt, plan.base), "Groth16ClaimOpen", claimId(salt), closesAt);
    await later(WINDOW);
    await expect(challenger.getFunction("finishClaim")(circuitHash, me, salt, plan.base)).to.emit(fold, "Groth16KeyFolded");
    expect(await call("isFolded", plan.vkHash, circuitHash, plan.weightsHash)).to.equal(true);
    expect(await call("creditOf", me)).to.equal(BOND);
    await expect(call("withdrawCredit", me)).to.changeEtherBalance(deployed.ethers, me, BOND);
    await refused(call("withdrawCredit", me), "Groth16ClaimNoCredit", me);
    await refused(call("finishClaim", circuitHash, me, salt, plan.base), "Groth16ClaimUnknown", claimId(salt));

    const words = packWeights(Int8Array.from(Buffer.from(honest.weights.slice(2), "hex")), LANES);
    const x = 98_765n;
    const powers: bigint[] = [];
    for (let j = 0; j < WORDS; j++) powers.push(j === 0 ? mod(x * x) : mod(powers[j - 1]! * x));
    const terms = powers.map((power, j) => mod(power * words[j]!));
    const publicInputs = [5n, mod(x * x), mod(terms.reduce((sum, term) => sum + term, 0n))];
    const witness = `${CACHE}/universal-claims.wtns`;
    writeWitness(witness, [1n, ...publicInputs, ...words, x, ...powers, ...terms]);
    const { proof } = await wasmProver().prove({ zkey, witness, key: plan.folded, publicInputs, folded: words }, LIMITS);
    const verifier = await deployed.ethers.getContractAt("Groth16Verifier", await deployed.keys.verifierOf(plan.vkHash));
    expect(await verifier.verify(proof, publicInputs)).to.equal(true);
    expect(await verifier.verify(proof, [6n, ...publicInputs.slice(1)])).to.equal(false);
  });

  it("refutes the forgery: a point that makes (alpha, beta, infinity) a proof of whatever the forger likes", async () => {
    const { keys, ethers } = deployed;
    // P = -(sum of pub_k IC_k): then X is infinity, and e(alpha, beta) is all that is left on both sides.
    const wanted = [1n, 2n, 3n];
    const point = ([x, y]: G1) => Point.fromAffine({ x, y });
    const p = wanted.reduce((sum, value, k) => sum.add(point(full.ic[k + 1]!).multiply(value)), Point.ZERO).negate();
    const forged: VerifyingKey = { ...full, ic: [affine(p), ...full.ic.slice(1, 4)] };
    const [alpha, beta] = [`${word(full.alpha[0])}${word(full.alpha[1])}`, encodeKey(full).slice(130, 386)];
    const proof: Hex = `0x${alpha}${beta}${word(0n)}${word(0n)}`;

    const salt = newSalt();
    const claim = claiming(1, affine(p.subtract(point(full.ic[0]!))));
    await post(salt, claim);
    await call("sealClaim", circuitHash, salt, plan.base);
    const found = findFalseChunk(claim, LANES)!;
    expect(found.chunk).to.equal(1);
    await expect(refute(salt, found)).to.emit(fold, "Groth16ClaimRefuted").withArgs(claimId(salt), 1, them, BOND / 2n);
    await refused(refute(salt, found), "Groth16ClaimUnknown", claimId(salt));
    await later(WINDOW);
    await refused(call("finishClaim", circuitHash, me, salt, plan.base), "Groth16ClaimUnknown", claimId(salt));

    // Anyone may register any key. This one does forge, and that is why nothing but a fold or a window makes a key one of the circuit's.
    await keys.register(encodeKey(forged));
    const hash = keccak(encodeKey(forged));
    const verifier = await ethers.getContractAt("Groth16Verifier", await keys.verifierOf(hash));
    expect(await verifier.verify(proof, wanted)).to.equal(true);
    expect(await call("isFolded", hash, circuitHash, plan.weightsHash)).to.equal(false);
    await refused(call("inheritLevel", hash, circuitHash, plan.weightsHash), "Groth16FoldUnknown", hash, circuitHash, plan.weightsHash);
    expect(await keys.setupLevel(hash)).to.equal(1n);
  });

  it("gives half of the bond to the challenger and burns the rest", async () => {
    const credit: bigint = await call("creditOf", them);
    const burnt: bigint = await call("creditOf", `0x${"00".repeat(20)}`);
    const salt = newSalt();
    const claim = claiming(0, full.alpha);
    await post(salt, claim);
    // Not sealed yet: no need to wait.
    await refute(salt, findFalseChunk(claim, LANES)!);
    expect((await call("creditOf", them)) - credit).to.equal(BOND / 2n);
    expect((await call("creditOf", `0x${"00".repeat(20)}`)) - burnt).to.equal(BOND - BOND / 2n);
    await expect(call("withdrawCredit", them)).to.changeEtherBalance(deployed.ethers, them, credit + BOND / 2n);
  });

  for (const [title, sum] of [
    ["is not on the curve", [1n, 1n]],
    ["is past the field", [1n + Q, 2n]],
    ["is infinity", [0n, 0n]],
  ] as [string, G1][]) {
    it(`refutes a sum that ${title}, in the first chunk and in the last`, async () => {
      for (const chunk of [0, 1]) {
        const salt = newSalt();
        const claim = claiming(chunk, sum);
        await post(salt, claim);
        const found = findFalseChunk(claim, LANES)!;
        expect(found.chunk).to.equal(chunk);
        await expect(refute(salt, found)).to.emit(fold, "Groth16ClaimRefuted");
      }
    });
  }

  it("does not open a window for a key that could not be registered: no point, or infinity", async () => {
    const bad = newSalt();
    await post(bad, claiming(1, [1n, 1n]));
    await refused(call("sealClaim", circuitHash, bad, plan.base), "Groth16FoldPoint", 0);
    const zero = newSalt();
    const [x, y] = full.ic[0]!;
    await post(zero, claiming(1, [x, Q - y]));
    await expect(call("sealClaim", circuitHash, zero, plan.base)).to.be.revertedWithCustomError(deployed.keys, "Groth16KeyPoint").withArgs(4);
    // A development key, on a development network.
    await fold.getFunction("requireRegistrable").staticCall(encodeKey(deployed.circuit.key));
    await call("abandonClaim", circuitHash, bad);
    await call("abandonClaim", circuitHash, zero);
    await call("withdrawCredit", me);
  });

  it("holds against every refutation of a true claim", async () => {
    const salt = newSalt();
    // In two transactions.
    await post(salt, part(honest, 0));
    await refused(call("sealClaim", circuitHash, salt, plan.base), "Groth16FoldIncomplete", 1, 2);
    await post(salt, part(honest, 1), 0n);
    expect(findFalseChunk(honest, LANES)).to.equal(undefined);
    const at = (i: number) => BigInt(`0x${honest.sums.slice(2 + 64 * i, 66 + 64 * i)}`);
    const truths: FalseChunk[] = [
      { chunk: 0, sums: { x: 0n, y: 0n, nextX: at(0), nextY: at(1) }, ...plan.chunks[0]! },
      { chunk: 1, sums: { x: at(0), y: at(1), nextX: at(2), nextY: at(3) }, ...plan.chunks[1]! },
    ];
    for (const truth of truths) {
      await refused(refute(salt, truth), "Groth16ClaimHolds", claimId(salt), truth.chunk);
      const lies: FalseChunk[] = [
        { ...truth, chunk: 1 - truth.chunk },
        { ...truth, chunk: 2 },
        { ...truth, sums: { ...truth.sums, x: 1n, y: 2n } },
        { ...truth, sums: { ...truth.sums, nextX: 1n, nextY: 2n } },
        { ...truth, weights: `0x01${truth.weights.slice(4)}` },
      ];
      for (const lie of lies) await expect(refute(salt, lie)).to.be.revertedWithCustomError(fold, "Groth16ClaimLeaf");
      await expect(refute(salt, { ...truth, points: `0x${truth.points.slice(130)}` })).to.be.revertedWithCustomError(fold, "Groth16FoldChunk");
      // Starving the precompiles proves nothing.
      for (const gasLimit of [120_000n, 200_000n, 400_000n]) {
        const answer = await challenger.getFunction("refute").staticCall({ circuitHash, registrant: me, salt, chunk: truth.chunk }, truth.sums, truth.points, truth.weights, { gasLimit }).then(() => "refuted", () => "reverted");
        expect(answer).to.equal("reverted");
      }
    }
    await call("sealClaim", circuitHash, salt, plan.base);
    await expect(call("abandonClaim", circuitHash, salt)).to.be.revertedWithCustomError(fold, "Groth16ClaimSealed");
    await expect(call("sealClaim", circuitHash, salt, plan.base)).to.be.revertedWithCustomError(fold, "Groth16ClaimSealed");
    await later(WINDOW);
    await expect(refute(salt, truths[0]!)).to.be.revertedWithCustomError(fold, "Groth16ClaimClosed");
    const other = encodeKey({ ...full, ic: full.ic.slice(0, 4).reverse() });
    await refused(call("finishClaim", circuitHash, me, salt, other), "Groth16FoldBase", keccak(other), keccak(plan.base));
    await call("finishClaim", circuitHash, me, salt, plan.base);
  });

  it("refuses posts of another bond, shape or circuit", async () => {
    const salt = newSalt();
    await refused(post(salt, honest, BOND - 1n), "Groth16ClaimBond", BOND - 1n, BOND);
    await refused(post(salt, { ...honest, sums: "0x" }), "Groth16ClaimSums", 0);
    await refused(post(salt, { ...honest, sums: honest.sums.slice(0, -2) as Hex }), "Groth16ClaimSums", 127);
    await refused(post(salt, { ...honest, sums: `${honest.sums}${"00".repeat(64)}` }), "Groth16FoldComplete", 2);
    await refused(post(salt, { ...honest, weights: honest.weights.slice(0, -2) as Hex }), "Groth16FoldWeights", 625, 626);
    await refused(post(salt, { ...honest, weights: `${honest.weights}00` }), "Groth16FoldWeights", 627, 626);
    await expect(post(salt, { ...honest, points: `0x${honest.points.slice(130)}` })).to.be.revertedWithCustomError(fold, "Groth16FoldChunk");
    await refused(post(salt, part(honest, 1)), "Groth16FoldWeights", 50, 576);
    await expect(call("postChunks", plan.vkHash, salt, honest, { value: BOND })).to.be.revertedWithCustomError(fold, "Groth16FoldCircuitUnknown");
    await post(salt, part(honest, 0));
    await refused(post(salt, part(honest, 1), 1n), "Groth16ClaimBond", 1, 0);
    // Another sender's claim is another claim.
    await expect(challenger.getFunction("abandonClaim")(circuitHash, salt)).to.be.revertedWithCustomError(fold, "Groth16ClaimUnknown");
    const { ethers, authority, keys } = deployed;
    const factory = [await authority.getAddress(), await keys.getAddress()];
    await expect(ethers.deployContract("Groth16Fold", [...factory, 1n, WINDOW])).to.be.revertedWithCustomError(fold, "Groth16ClaimParameters");
    await expect(ethers.deployContract("Groth16Fold", [...factory, BOND, 0])).to.be.revertedWithCustomError(fold, "Groth16ClaimParameters");
  });

  it("costs less than 250,000 gas to claim a first chunk, and 700,000 to refute one", async () => {
    const salt = newSalt();
    expect(await fold.getFunction("postChunks").estimateGas(circuitHash, salt, part(honest, 0), { value: BOND })).to.be.below(255_000n);
    const lie = claiming(0, full.alpha);
    await post(salt, lie);
    const { sums, points, weights, chunk } = findFalseChunk(lie, LANES)!;
    const gas: bigint = await challenger.getFunction("refute").estimateGas({ circuitHash, registrant: me, salt, chunk }, sums, points, weights);
    expect(gas).to.be.below(700_000n);
  });
});
