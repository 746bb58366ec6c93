import { expect } from "chai";
import { join } from "node:path";
import type { Hex } from "viem";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { leafCheckStatement } from "../../../keepers/roles/full/statements.ts";
import { inferenceLedger } from "../../../keepers/roles/inference/ledger.ts";
import { settlementPass } from "../../../keepers/roles/inference/settle.ts";
import { createTraps, trapRules } from "../../../keepers/roles/inference/traps.ts";
import { nodeRules } from "../../../keepers/roles/node/index.ts";
import { rulesFor } from "../../../keepers/signer/index.ts";
import type { Journal } from "../../../keepers/tx/index.ts";
import { BatchStatus, type InferenceReceipt, Role, SettlementMode, termsHash, Verification, receiptDigest } from "../../../sdk/protocol/index.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import type { Traps } from "../../../types/contracts/index.js";
import { tempFolder } from "../../utils/folder.ts";
import { Random } from "../../utils/random.ts";
import { bytes32 } from "../../utils/settlement-world.ts";
import { type FullRig, fullRig } from "../support/full-rig.ts";
import { blobsInMemory, createPoster, type Poster } from "../support/poster.ts";
import { worldPlatform } from "../support/world-platform.ts";

/** The job and the settlement pass of an inference node, its real journal and database; chains and full nodes are real, nobody tells them anything. */
describe("an inference node that plants traps", () => {
  let rig: FullRig;
  let poster: Poster;
  let walrus: ReturnType<typeof blobsInMemory>;
  let traps: Traps;
  let prize: bigint;
  const folder = tempFolder("og-traps");
  let planters = 0;

  before(async () => {
    walrus = blobsInMemory();
    // Windows that a slow machine does not sleep through.
    rig = await fullRig({ walrus, parameters: ({ settlement }) => void Object.assign(settlement, { window: settlement.window * 20n, maxAge: settlement.maxAge * 5n }) });
    for (let i = 0; i < 3; i++) await rig.addMember();
    poster = await createPoster(rig.world, walrus);
    for (let i = 0; i < 2; i++) await rig.round(["seat"]);
    traps = (await rig.world.ethers.getContractAt("Traps", rig.world.addresses.Traps)) as unknown as Traps;
    prize = (await traps.params()).minPrize;
  });
  after(() => rig.stop());

  /** Where a process dies: before or after the effect of its next transaction of this label. */
  type Death = { label: string; when: "before" | "after" };
  class Killed extends Error {}

  async function planter({ chance = 100, tokens = 2n * prize, offered = prize, bond = 20n, early = true }: { chance?: number; tokens?: bigint; offered?: bigint; bond?: bigint; early?: boolean } = {}) {
    const { world: w, domain } = rig;
    const name = `planter ${planters++}`;
    const node = await w.addNode(Role.Inference, { bond: w.parameters.registry.minBondInference * bond });
    const terms = { ...poster.terms, nodeId: node.nodeId, payout: node.operator.address as Hex };
    const database = join(folder, `${name}.db`);
    const random = new Random(planters);
    const key = { nodeId: node.nodeId, keyId: node.keyId, keyType: node.signer.keyType, publicKey: node.signer.publicKey, validFrom: await w.now(), sign: (digest: Hex) => Promise.resolve(node.signer.sign(digest)) };
    const ahead = Number(await w.now()) * 1_000 - Date.now() + 1_000;
    let death: Death | null = null;

    async function start() {
      const own = await worldPlatform(w, name, (deployment) => [
        ...nodeRules(deployment), ...trapRules(deployment), ...rulesFor(w.chainId, deployment.address("InferenceSettlement"), iInferenceSettlementAbi as never, ["postBatch"]),
      ], database);
      const submit: Journal["submit"] = async (intent) => {
        const dies = death?.label === intent.label ? death : null;
        if (dies) death = null;
        if (dies?.when === "before") throw new Killed();
        const done = await own.journal.submit(intent);
        if (dies) throw new Killed();
        return done;
      };
      const clock = {
        ...own.clock, now: () => Date.now() + ahead,
        // Four bytes are a draw: the lowest chance wins, and the first moment of the epoch is the trap's, unless it is to be late.
        randomBytes: (length: number) => (length === 4 && early ? new Uint8Array(4) : random.bytes(length)),
      };
      const platform = { ...own, clock, journal: { ...own.journal, submit } };
      const ledger = inferenceLedger(own.store);
      ledger.rememberTerms(termsHash(terms), terms);
      ledger.rememberTariff(poster.tariff);
      const price = poster.tariff.prices.find(({ modelId }) => modelId === poster.plain)!;
      const work = createTraps({ platform, ledger, domain, options: { prize: offered, chance }, offers: [{ modelId: poster.plain, termsHash: termsHash(terms), price }], key: () => key });
      const pass = settlementPass({
        ledger, journal: platform.journal, settlement: platform.settlement, domain, keyById: () => key, walrus, traps: work, place: { paymentChainId: 713371n, escrow: `0x${"5e".repeat(20)}` },
        policy: { size: 100, idleMs: 0, ageMs: 0, settleSize: 50 }, clock, log: silentLogger,
      });
      return { ...own, ledger, work, pass };
    }

    let process = await start();
    await w.token.mint(process.signer.address, tokens);
    const self = {
      node, terms,
      get process() {
        return process;
      },
      dies: (at: Death) => void (death = at),
      /** What its jobs do once; a death is followed by a start from its database. @returns Whether it died. */
      async run(): Promise<boolean> {
        try {
          await process.work.step();
          while (await process.pass());
          return false;
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
          await process.stop();
          process = await start();
          return true;
        }
      },
      header: () => process.ledger.lastHeader(),
      outcomes: () => Object.fromEntries([...process.metrics.render().matchAll(/traps_total\{outcome="([^"]+)"\} (\d+)/g)].map(([, outcome, count]) => [outcome!, Number(count)])),
      state: () => process.store.get<{ state: string; fault: string }>("SELECT state, fault FROM trap WHERE nonce IS NOT NULL")!,
      wealth: () => w.token.balanceOf(process.signer.address),
      stop: () => process.stop(),
    };
    return self;
  }
  type Planter = Awaited<ReturnType<typeof planter>>;

  const work = async (member?: number) => {
    for (let i = 0; i < 2; i++) await rig.round(member === undefined ? ["check", "accuse", "sign", "certify"] : ["check", "accuse"]);
  };
  const statusOf = async (header: Parameters<typeof rig.world.settlement.status>[0]) => Number(await rig.world.settlement.status(header));
  const bondOf = async ({ node }: Planter) => (await rig.world.registry.bond(node.nodeId)).free + (await rig.world.registry.bond(node.nodeId)).locked;
  const lock = () => rig.world.parameters.settlement.minLock;
  /** A real receipt of the same node. */
  async function serve({ node, terms, process }: Planter, at: bigint, charge = 5n): Promise<void> {
    const receipt: InferenceReceipt = {
      nodeId: node.nodeId, keyId: node.keyId, modelId: poster.plain, termsHash: termsHash(terms), requestHash: bytes32("q"), responseHash: bytes32("a"), paymentId: bytes32(`served ${node.nodeId}`),
      cumulativeBefore: at * 5n, charge, inputUnits: 0n, outputUnits: 0n, sequence: at, issuedAt: await rig.world.now(), outcome: 1,
    };
    const digest = receiptDigest(receipt, rig.domain);
    process.ledger.add({ digest, receipt, signature: node.signer.sign(digest), settlementMode: SettlementMode.Batch, verification: Verification.Tee, storedAt: 0 });
  }

  it("each fault is found by a full node that looks, which gets the prize; the planter loses prize and lock and nothing else, and its real batches go on", async () => {
    const faults = new Set<string>();
    for (let tries = 0; tries < 12 && faults.size < 3; tries++) {
      const it = await planter();
      const before = await bondOf(it);
      await serve(it, 0n);
      await it.run();
      const trap = it.header()!;
      expect([trap.nonce, trap.state], "a real batch first").to.deep.equal([2n, "posted"]);
      expect((await it.process.ledger.headersIn("posted")).length).to.equal(2);
      const finders = rig.members.map(({ platform }) => platform.signer.address);
      const had = await Promise.all(finders.map((address) => rig.world.token.balanceOf(address)));
      await work();
      expect(await statusOf(trap.header)).to.equal(BatchStatus.Rejected);
      expect(rig.members.filter(({ statements }) => statements.about(trap.hash).length > 0), "nobody signed it").to.have.length(0);
      await it.run();
      expect(it.outcomes()).to.deep.equal({ found: 1 });
      const gained = (await Promise.all(finders.map((address) => rig.world.token.balanceOf(address)))).reduce((sum, now, i) => sum + now - had[i]!, 0n);
      expect([gained, await it.wealth(), before - (await bondOf(it)), await rig.world.registry.isActive(it.node.nodeId), await traps.openTraps()]).to.deep.equal([prize, prize, lock(), true, 0n]);
      faults.add(it.state().fault);
      await serve(it, 1n);
      await it.run();
      expect([it.header()!.nonce, it.header()!.state]).to.deep.equal([3n, "posted"]);
      await it.stop();
    }
    expect([...faults].sort()).to.deep.equal(["outcome", "overcharge", "signature"]);
  });

  it("who signs it without looking loses what a false check costs, and is not paid for it", async () => {
    const { world: w } = rig;
    const it = await planter();
    await it.run();
    const { hash } = it.header()!;
    const blind = rig.members[2]!;
    const { digest } = leafCheckStatement(hash, await w.committee.currentEpoch(), rig.domain);
    const body = JSON.stringify({ signatures: [{ digest, signer: blind.node.authorizer.address, signature: blind.node.authorizer.signingKey.sign(digest).serialized }] });
    for (const member of rig.members.slice(0, 2)) {
      await member.follower.step();
      expect((await member.api(new Request("https://in.process/committee/signatures", { method: "POST", headers: { "content-type": "application/json" }, body }))).status).to.equal(200);
    }
    const before = (await w.registry.bond(blind.node.nodeId)).free;
    await work();
    for (let i = 0; i < 2; i++) await rig.round(["punish"]);
    expect(before - (await w.registry.bond(blind.node.nodeId)).free).to.equal(w.parameters.committee.falseStatementSlash);
    await it.run();
    expect(it.outcomes()).to.deep.equal({ found: 1 });
    await it.stop();
  });

  it("nobody finds it: the planter does, in the last quarter of the window, and has the prize back", async () => {
    const { world: w } = rig;
    const it = await planter();
    await it.run();
    const { header } = it.header()!;
    await it.run();
    expect(await statusOf(header), "not before").to.equal(BatchStatus.Posted);
    const [time] = await w.settlement.finalizableAt(header);
    await w.networkHelpers.time.increaseTo(time - w.parameters.settlement.window / 8n);
    for (let i = 0; i < 3 && (await statusOf(header)) !== BatchStatus.Rejected; i++) {
      await it.run();
      await w.networkHelpers.mine(1);
    }
    await it.run();
    expect(it.outcomes()).to.deep.equal({ "found-by-itself": 1 });
    expect(await it.wealth()).to.equal(2n * prize);
    expect(await w.registry.reward(it.process.signer.address), "three tenths of the lock").to.equal((lock() * 3n) / 10n);
    await it.stop();
  });

  it("nobody signed nor found it, and the planter slept: it falls without a fault, and all is given back", async () => {
    const it = await planter();
    await it.run();
    const { header } = it.header()!;
    await rig.world.networkHelpers.time.increase(Number(rig.world.parameters.settlement.certTime) + 1);
    await rig.world.settlement.annul(header);
    await it.run();
    expect([it.outcomes(), await it.wealth()]).to.deep.equal([{ returned: 1 }, 2n * prize]);
    await it.stop();
  });

  for (const label of ["approve trap", "trap plant", "postBatch", "trap reveal"]) {
    for (const when of ["before", "after"] as const) {
      it(`kill -9 ${when} "${label}" loses nothing: one commitment, one header, one prize`, async () => {
        const it = await planter();
        it.dies({ label, when });
        let deaths = Number(await it.run());
        deaths += Number(await it.run());
        await work();
        for (let i = 0; i < 3; i++) deaths += Number(await it.run());
        expect(deaths).to.equal(1);
        expect(it.state().state).to.equal("told");
        const planted = await traps.queryFilter(traps.filters.TrapPlanted(undefined, it.process.signer.address));
        const posted = await rig.world.settlement.queryFilter(rig.world.settlement.filters.HeaderPosted(undefined, it.node.nodeId));
        expect([planted.length, posted.length, await it.wealth(), await traps.openTraps()]).to.deep.equal([1, 1, prize, 0n]);
        await it.stop();
      });
    }
  }

  it("not planted, and nothing signed or paid: too few tokens, too small a prize, a bond that would not carry it; real batches go on", async () => {
    for (const options of [{ tokens: 2n * prize - 1n }, { offered: prize - 1n }, { bond: 1n }]) {
      const it = await planter(options);
      await it.run();
      expect([it.header(), it.outcomes(), await it.wealth()]).to.deep.equal([undefined, { dropped: 1 }, options.tokens ?? 2n * prize]);
      await serve(it, 0n);
      await it.run();
      expect(it.header()!.nonce).to.equal(1n);
      await it.stop();
    }
  });

  it("signed, and too old to be planted when the process comes back: header, receipts and trap are gone, and the nonce is a real batch's", async () => {
    const { world: w } = rig;
    const it = await planter();
    it.dies({ label: "trap plant", when: "before" });
    expect(await it.run()).to.equal(true);
    const first = it.header()!;
    expect(first.state).to.equal("signed");
    await w.networkHelpers.time.increase(Number(w.parameters.settlement.maxAge));
    await it.run();
    expect([it.header(), it.outcomes(), it.process.ledger.counts(), await it.wealth()]).to.deep.equal([undefined, { dropped: 1 }, { pending: 0, headers: 0 }, 2n * prize]);
    await serve(it, 0n);
    await it.run();
    const real = it.header()!;
    expect([real.nonce, real.state, await traps.openTraps()]).to.deep.equal([1n, "posted", 0n]);
    await work();
    expect(await statusOf(real.header)).to.equal(BatchStatus.Certified);
    await it.stop();
  });

  it("planted, and too old to be posted when the process comes back: twice the prize is the most that is lost, and real batches go on", async () => {
    const { world: w } = rig;
    const it = await planter();
    it.dies({ label: "postBatch", when: "before" });
    expect(await it.run()).to.equal(true);
    await w.networkHelpers.time.increase(Number(w.parameters.settlement.maxAge) + 10);
    await it.run();
    expect([it.header(), it.outcomes(), await it.wealth(), await bondOf(it)]).to.deep.equal([undefined, { lost: 1 }, 0n, w.parameters.registry.minBondInference * 20n]);
    await serve(it, 0n);
    await it.run();
    expect([it.header()!.nonce, it.header()!.state]).to.deep.equal([1n, "posted"]);
    await it.stop();
  });

  it("a signed header that the chain refuses for a while is posted when that is over: it is the next one or none", async () => {
    const { world: w } = rig;
    const it = await planter({ bond: 1n, tokens: 0n });
    const dear = w.parameters.registry.minBondInference * 20n / w.parameters.settlement.bondPerCharge;
    await serve(it, 0n, dear); // its lock is twice the bond
    const refused = await it.process.pass().then(() => "posted", (error: { code: string }) => error.code);
    expect([refused, it.header()!.state]).to.deep.equal(["tx.abandoned", "signed"]);
    const more = w.parameters.registry.minBondInference * 5n;
    await w.token.mint(it.node.operator.address, more);
    await w.token.connect(it.node.operator).approve(w.registry, more);
    await w.registry.connect(it.node.operator).addBond(it.node.nodeId, more);
    await it.process.pass();
    expect(it.header()!.state).to.equal("posted");
    await it.stop();
  });

  it("drawn once for an epoch, by chance, with a time of its own: a restart draws nothing anew, and a stop plants nothing", async () => {
    const { world: w } = rig;
    const never = await planter({ chance: 1, early: false });
    for (let i = 0; i < 3; i++) await never.run();
    const drawn = () => never.process.store.all<{ state: string; due_at: number }>("SELECT state, due_at FROM trap");
    const [row] = drawn();
    expect([drawn().length, row!.state, never.header()]).to.deep.equal([1, "none", undefined]);
    const epoch = await w.committee.epochInfo(await w.committee.currentEpoch());
    expect(BigInt(row!.due_at) >= epoch.start && BigInt(row!.due_at) < epoch.start + w.parameters.committee.epochLength).to.equal(true);
    await never.stop();

    const stopping = await planter();
    await stopping.process.work.step();
    expect(await stopping.process.pass({ everything: true })).to.equal(false);
    expect(stopping.header()).to.equal(undefined);
    await stopping.stop();
  });
});
