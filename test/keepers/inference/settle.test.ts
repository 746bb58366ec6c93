/** Headers of a running and of a stopping node. */
import { expect } from "chai";
import { tmpdir } from "node:os";
import type { Hex } from "viem";
import { encodeProof } from "../../../circuits/setup/encode.ts";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { ownBlob } from "../../../keepers/roles/inference/blobs.ts";
import { openProvingQueue } from "../../../keepers/proving/queue.ts";
import { lastHeaders } from "../../../keepers/roles/inference/lastHeaders.ts";
import { deliverEnded, encodeProven } from "../../../keepers/roles/inference/proofs.ts";
import { BatchStatus, SettlementMode, Verification, slotNumberOf, termsHash } from "../../../sdk/protocol/index.ts";
import { closeSnarkjs, proveTiny, tiny } from "../../circuits/setup/tools.ts";
import { terms } from "../../settlement/builder.ts";
import { ZERO, bytes32 } from "../../utils/settlement-world.ts";
import { codeOf } from "../support/code-of.ts";
import { DAY, settling } from "../support/settling.ts";

describe("inference node: headers", () => {
  after(closeSnarkjs);

  it("the last one holds every receipt of the key that dies with the process, due or not; another pass finds nothing, and passes never overlap", async () => {
    const { s, ledger, add, pass, close } = await settling();
    try {
      for (let i = 0; i < 5; i++) await add(SettlementMode.Batch);
      expect(await pass(), "not due").to.equal(false);
      expect(await Promise.all([pass({ everything: true }), pass(), pass({ everything: true })])).to.deep.equal([true, false, false]);
      const header = ledger.lastHeader()!;
      expect([header.state, header.header.count, ledger.counts().pending]).to.deep.equal(["posted", 5, 0]);
      expect(Number(await s.settlement.status(header.header))).to.equal(BatchStatus.Posted);
    } finally {
      await close();
    }
  });

  it("a batch's blob that nobody serves any more is made again from the store, bit by bit, and stored under its id", async () => {
    const { ledger, clock, add, pass, close, renewal, client } = await settling();
    try {
      for (let i = 0; i < 20; i++) await add(SettlementMode.Batch);
      await pass({ everything: true });
      const { blobId, contentHash } = ledger.lastHeader()!.header;
      const posted = await client.read(blobId, { contentHash });
      // Nobody renewed in time: the network has forgotten it.
      await clock.advance(4 * DAY);
      expect(await codeOf(() => client.read(blobId, { contentHash }))).to.equal("walrus.not_found");
      expect(await renewal.renew((id) => ownBlob(ledger, id))).to.deep.equal({ renewed: 1, failed: 0 });
      expect(Buffer.from(await client.read(blobId, { contentHash })).equals(posted)).to.equal(true);
      expect(await ownBlob(ledger, bytes32("a sealed payload")), "not of a batch").to.equal(null);
    } finally {
      await close();
    }
  });

  it("individual ones stand in numbered slots: a new one each, until the oldest one's life is over", async () => {
    const { s, ledger, clock, add, pass, close } = await settling();
    try {
      const slots: bigint[] = [];
      const settleOne = async () => {
        await add(SettlementMode.Individual);
        expect(await pass()).to.equal(true);
        await pass();
        const { state, header } = ledger.lastHeader()!;
        expect(state).to.equal("done");
        slots.push(slotNumberOf(header));
      };
      for (let i = 0; i < 3; i++) await settleOne();
      const life = Number(s.parameters.settlement.slotLife);
      await s.networkHelpers.time.increase(life - 100);
      await clock.advance((life - 100) * 1_000);
      await settleOne(); // none is over yet
      await s.networkHelpers.time.increase(200);
      await clock.advance(200_000);
      for (let i = 0; i < 4; i++) await settleOne(); // three are; then a new one again
      expect(slots).to.deep.equal([1n, 2n, 3n, 4n, 1n, 2n, 3n, 5n]);
    } finally {
      await close();
    }
  });

  it("a stop of the guardian's that outlasts what receipts may be old blocks nobody: the header that waited is taken back, its nonce serves the next one", async () => {
    const { s, ledger, add, pass, close, sent } = await settling();
    try {
      const age = Number(s.parameters.settlement.maxAge);
      const old = await add(SettlementMode.Individual);
      await s.settlement.pauseIntake();
      await expect(pass(), "signed, and not taken").to.be.revertedWithCustomError(s.settlement, "SettlementPaused");
      expect([ledger.lastHeader()!.state, sent.length]).to.deep.equal(["signed", 1]);
      await s.networkHelpers.time.increase(age + 30);
      await expect(pass(), "a margin stands between too old and taken back").to.be.revertedWithCustomError(s.settlement, "SettlementPaused");

      const waiting = await add(SettlementMode.Batch);
      await s.networkHelpers.time.increase(7 * 86_400);
      const young = await add(SettlementMode.Individual);
      expect([await pass(), ledger.lastHeader()]).to.deep.equal([true, undefined]);
      expect([await pass(), await pass({ everything: true })]).to.deep.equal([true, false]);
      const header = ledger.lastHeader()!;
      expect([header.nonce, header.state, ledger.receiptsOf(1n).map(({ digest }) => digest)]).to.deep.equal([1n, "done", [young.digest]]);
      expect(Number(await s.settlement.status(header.header))).to.equal(BatchStatus.Final);
      // Neither can stand in a header any more; the payers' Acks still release them.
      for (const { digest } of [old, waiting]) expect(ledger.find(digest)?.headerNonce).to.equal(-1);
    } finally {
      await close();
    }
  });

  /** A node that stops while one receipt of a payment waits for its proof and a younger one behind it is attested. Each sleep is time that passes. */
  async function stopping(whileAsleep: (nth: number, prove: () => Promise<void>) => Promise<void>) {
    const it = await settling();
    const { s, node, store, ledger, clock, add, pass } = it;
    const circuit = await tiny();
    await (await s.ethers.getContractAt("Groth16Keys", s.addresses.Groth16Keys)).getFunction("register")(circuit.files.keyBytes);
    const model = {
      name: "late", version: "1", programHash: bytes32("program"), kind: 2, blobId: bytes32("blob"), contentHash: bytes32("content"), manifestHash: bytes32("manifest"), circuitHash: ZERO, weightsHash: ZERO,
      methods: 0b11110, vkHash: circuit.files.manifest.vkHash as string, royaltyTo: "0x0000000000000000000000000000000000000000", royaltyBps: 0, licence: "MIT",
    };
    const modelId = (await s.models.modelIdOf(s.admin.address, model)) as Hex;
    await s.models.publishModel(model);
    const zk = terms(node, { verification: Verification.Zkml });
    ledger.rememberTerms(termsHash(zk), zk);
    const ready = await add(SettlementMode.Individual, { paymentId: bytes32("another"), cumulativeBefore: 0n });
    const waiting = await add(SettlementMode.Individual, { modelId, termsHash: termsHash(zk), cumulativeBefore: 0n }, Verification.Zkml);
    const younger = await add(SettlementMode.Individual, { cumulativeBefore: 7n });
    const dead = await add(SettlementMode.Individual, { keyId: bytes32("an earlier process"), paymentId: bytes32("old") }, Verification.Zkml);
    const queue = openProvingQueue(store, { capacity: 9, maxAttempts: 3, leaseMs: 1_000_000, backoffMs: 1 });
    queue.enqueue(waiting.digest, JSON.stringify({ digest: waiting.digest, modelId, witness: [] }), clock.now());
    const job = queue.lease(clock.now())!;
    const prove = async () => {
      const { proof, inputs } = await proveTiny(circuit.files.zkey, await s.settlement.proofContext(waiting.receipt, zk.payout), 7n, 5n);
      expect(queue.complete(job, encodeProven({ proof: encodeProof(proof), publicInputs: inputs } as never))).to.equal(true);
      await deliverEnded(store, queue, ledger, tmpdir());
    };
    let slept = 0;
    const sleep = async (ms: number) => {
      await whileAsleep(++slept, prove);
      await clock.advance(ms);
    };
    const begun = clock.now();
    const last = lastHeaders({ ledger, mine: (keyId) => keyId === node.keyId, waitMs: 10_000, clock: { ...clock, now: () => clock.now(), sleep }, log: silentLogger });
    expect(last.unproven().map(({ digest }) => digest)).to.deep.equal([waiting.digest]);
    const nonceOf = ({ digest }: { digest: Hex }) => ledger.find(digest)!.headerNonce;
    await last.settle(pass);
    expect(nonceOf(dead), "nobody waits for a dead key's proof").to.equal(undefined);
    expect(last.unproven()).to.deep.equal([]);
    return { ...it, ready, waiting, younger, nonceOf, slept, took: clock.now() - begun };
  }

  it("a stop waits for the proof that comes late, and settles it and what stood behind it; what was ready did not wait", async () => {
    const { s, ledger, ready, waiting, younger, nonceOf, slept, close } = await stopping(async (nth, prove) => {
      if (nth === 5) await prove();
    });
    try {
      const before = nonceOf(ready);
      expect([before, nonceOf(waiting)! > before!, nonceOf(younger)! > before!, slept]).to.deep.equal([1, true, true, 5]);
      for (const entry of [waiting, younger]) expect(Number(await s.settlement.status(ledger.header(BigInt(nonceOf(entry)!))!.header))).to.equal(BatchStatus.Final);
    } finally {
      await close();
    }
  });

  it("a proof that does not come is waited for no longer than asked: its receipt is set aside, the younger one settled", async () => {
    const { s, ledger, ready, waiting, younger, nonceOf, took, close } = await stopping(() => Promise.resolve());
    try {
      expect(took).to.equal(10_000);
      expect([nonceOf(ready), nonceOf(waiting), ledger.find(waiting.digest)!.proofError, nonceOf(younger)]).to.deep.equal([1, -1, "proving.stopped", 2]);
      expect(Number(await s.settlement.status(ledger.header(2n)!.header))).to.equal(BatchStatus.Final);
    } finally {
      await close();
    }
  });
});
