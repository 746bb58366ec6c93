import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { bn254 } from "@noble/curves/bn254.js";
import { expect } from "chai";
import type { Hex } from "viem";

import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { word } from "../../../circuits/setup/encode.ts";
import { type Chunks, planClaim } from "../../../circuits/setup/fold-claim.ts";
import { type FoldPlan, planFold } from "../../../circuits/setup/fold.ts";
import { type G1, readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { createFoldGuard } from "../../../keepers/roles/full/fold-guard.ts";
import { postsInTrace } from "../../../keepers/roles/full/fold-posts.ts";
import { fullRules } from "../../../keepers/roles/full/index.ts";
import type { Groth16Fold } from "../../../types/contracts/index.js";
import { CACHE, compile } from "../../circuits/setup/tools.ts";
import { tempFolder } from "../../utils/folder.ts";
import { settlementWorld, type World } from "../../utils/settlement-world.ts";
import { until } from "../../utils/until.ts";
import { worldPlatform } from "../support/world-platform.ts";

const WORDS = 70;
const LANES = { lanes: 9, laneBits: 28 };
const rules = (settlement: Parameters<typeof fullRules>[0]["settlement"]) => fullRules({ settlement, payment: null }, { maxDemandBond: 0n });

describe("full nodes guard claimed folds", () => {
  let w: World;
  let fold: Groth16Fold;
  let plan: FoldPlan;
  let honest: Chunks;
  let circuitHash: string;
  let registrant: string;
  let bond: bigint;
  let salts = 0;
  const open: { stop(): Promise<void> }[] = [];

  before(async () => {
    w = await settlementWorld();
    [registrant] = (await w.ethers.getSigners()).map(({ address }) => address) as [string];
    fold = (await w.ethers.getContractAt("Groth16Fold", w.addresses.Groth16Fold)) as unknown as Groth16Fold;
    bond = await fold.CLAIM_BOND();
    mkdirSync(CACHE, { recursive: true });
    const zkey = `${CACHE}/universal-guard.zkey`;
    await makeDevelopmentKey(compile("universal"), zkey, { tau: 41n, alpha: 42n, beta: 43n, gamma: 1n, delta: 44n });
    const weights = Int8Array.from({ length: WORDS * LANES.lanes - 4 }, (_, i) => ((i * 41) % 256) - 128);
    plan = planFold(readVerifyingKey(zkey), 3, weights, LANES);
    honest = planClaim(plan, LANES);
    const args = [plan.base, plan.chunkHashes, plan.weights, LANES.lanes, LANES.laneBits] as const;
    circuitHash = await fold.registerCircuit.staticCall(...args);
    await fold.registerCircuit(...args);
  });
  after(async () => {
    for (const platform of open) await platform.stop();
  });

  const newSalt = () => `0x${word(BigInt(++salts))}`;
  const post = (salt: string, chunks: Chunks, value = bond) => fold.postChunks(circuitHash, salt, chunks, { value });
  const part = (chunks: Chunks, chunk: number): Chunks => ({ points: plan.chunks[chunk]!.points, weights: plan.chunks[chunk]!.weights, sums: `0x${chunks.sums.slice(2 + 128 * chunk, 130 + 128 * chunk)}` });
  const [x, y] = [bn254.G1.Point.BASE.toAffine().x, bn254.G1.Point.BASE.toAffine().y];
  /** The honest claim with another point as the sum of `chunk`. */
  const lying = (chunk: number, [px, py]: G1 = [x, y]): Chunks => ({ ...honest, sums: `0x${honest.sums.slice(2, 2 + 128 * chunk)}${word(px)}${word(py)}${honest.sums.slice(130 + 128 * chunk)}` });
  const standing = async (salt: string, by = registrant) => Number((await fold.claimOf(circuitHash, by, salt)).posted);
  async function watcher(name: string, database?: string) {
    const platform = await worldPlatform(w, name, rules, database);
    open.push(platform);
    return { platform, guard: createFoldGuard(platform), address: platform.signer.address, sent: () => w.ethers.provider.getTransactionCount(platform.signer.address) };
  }

  it("an honest claim is left alone, in one post or in several, and becomes a key", async () => {
    const { guard, sent } = await watcher("honest");
    const [one, two] = [newSalt(), newSalt()];
    await post(one, honest);
    await fold.sealClaim(circuitHash, one, plan.base);
    await post(two, part(honest, 0));
    await guard.step();
    await post(two, part(honest, 1), 0n);
    await guard.step();
    await guard.step();
    expect(await sent()).to.equal(0);
    expect([await standing(one), await standing(two)]).to.deep.equal([2, 2]);
    await w.networkHelpers.time.increase(await fold.CLAIM_WINDOW());
    await fold.finishClaim(circuitHash, registrant, one, plan.base);
    expect(await fold.isFolded(plan.vkHash, circuitHash, plan.weightsHash)).to.equal(true);
  });

  for (const [title, chunk, sum] of [["its first chunk", 0, undefined], ["its last", 1, undefined], ["a sum that is no point", 0, [1n, 1n]]] as [string, number, G1 | undefined][]) {
    it(`a claim that is false in ${title} is refuted, once, and half of its bond is the watcher's`, async () => {
      const { guard, sent, address } = await watcher(`false ${title}`);
      const salt = newSalt();
      await post(salt, lying(chunk, sum));
      await guard.step();
      expect(await standing(salt)).to.equal(0);
      await guard.step();
      expect(await sent()).to.equal(1);
      const half = bond / 2n;
      expect(await fold.creditOf(address)).to.equal(half);
      await guard.withdraw();
      expect(await fold.creditOf(address)).to.equal(0n);
    });
  }

  it("a lie in the second of two posts is found from the sum of the first, by a watcher that was started again in between", async () => {
    const database = join(tempFolder("og-folds"), "keeper.sqlite");
    const first = await watcher("again", database);
    const salt = newSalt();
    await post(salt, part(honest, 0));
    await first.guard.step();
    await open.pop()!.stop();
    await w.networkHelpers.mine(100);
    await post(salt, part(lying(1), 1), 0n);
    const second = await watcher("again", database);
    await second.guard.step();
    expect([await standing(salt), await second.sent()]).to.deep.equal([0, 1]);
  });

  it("a watcher that dies between broadcast and block refutes once", async () => {
    const database = join(tempFolder("og-folds"), "keeper.sqlite");
    const first = await watcher("dies", database);
    const salt = newSalt();
    await post(salt, lying(1));
    await w.provider.request({ method: "evm_setAutomine", params: [false] });
    try {
      const step = first.guard.step().then(() => "done", () => "stopped");
      await until("the first watcher's transaction in the pool", async () => (await w.ethers.provider.getTransactionCount(first.address, "pending")) > 0);
      await open.pop()!.stop();
      expect(await step).to.equal("stopped");
      expect(await standing(salt)).to.equal(2);
      const second = await watcher("dies", database);
      const again = second.guard.step();
      // A moment in which it may find the transaction pending; one that is too short makes the case easier, not wrong.
      await new Promise((resolve) => setTimeout(resolve, 100));
      const mining = setInterval(() => void w.networkHelpers.mine(), 50);
      await again.finally(() => clearInterval(mining));
      expect([await standing(salt), await second.sent()]).to.deep.equal([0, 1]);
      expect(await fold.creditOf(second.address)).to.equal(bond / 2n);
    } finally {
      await w.provider.request({ method: "evm_setAutomine", params: [true] });
    }
  });

  it("two watchers: one is first, the other sends nothing that counts", async () => {
    const [a, b] = [await watcher("one"), await watcher("two")];
    const salt = newSalt();
    await post(salt, lying(0));
    await Promise.all([a.guard.step(), b.guard.step()]);
    expect(await standing(salt)).to.equal(0);
    expect((await fold.creditOf(a.address)) + (await fold.creditOf(b.address))).to.equal(bond / 2n);
  });

  it("a claim refuted, then posted again under the same salt, is judged anew", async () => {
    const { guard, sent } = await watcher("anew");
    const salt = newSalt();
    for (let i = 1; i <= 2; i++) {
      await post(salt, lying(i - 1));
      await guard.step();
      expect([await standing(salt), await sent()]).to.deep.equal([0, i]);
    }
    await post(salt, honest);
    await guard.step();
    expect([await standing(salt), await sent()]).to.deep.equal([2, 2]);
    await fold.abandonClaim(circuitHash, salt);
  });

  it("a lie behind another contract is read out of its calldata, and junk around it does not hide it", async () => {
    const { guard, sent } = await watcher("wrapped");
    const salt = newSalt();
    const lie = lying(0);
    const manager = w.addresses.AccessManager;
    const decoy = fold.interface.encodeFunctionData("postChunks", [circuitHash, salt, { ...honest, weights: honest.weights.replace(/^0x../, "0x11") as Hex }]);
    const data = fold.interface.encodeFunctionData("postChunks", [circuitHash, salt, { ...lie, points: `${lie.points}${decoy.slice(2)}` }]);
    const through = await w.ethers.getContractAt("TestAccessManager", manager);
    await through.execute(w.addresses.Groth16Fold, data, { value: bond });
    expect(await standing(salt, manager)).to.equal(2);
    await guard.step();
    expect([await standing(salt, manager), await sent()]).to.deep.equal([0, 1]);
  });

  it("reads posts out of a trace, not those that reverted", () => {
    const address = w.addresses.Groth16Fold as Hex;
    const input = fold.interface.encodeFunctionData("postChunks", [circuitHash, newSalt(), honest]) as Hex;
    const inner = { to: address, input };
    expect(postsInTrace({ to: w.addresses.AccessManager as Hex, input: "0x12345678", calls: [{ calls: [inner] }, { ...inner, error: "execution reverted" }, { ...inner, to: w.addresses.AccessManager as Hex }] }, address)).to.have.length(1);
  });
});
