/** Headers of a running and of a stopping node. */
import { expect } from "chai";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address, Hex } from "viem";
import { simulatedClock, systemClock } from "../../../keepers/clock/index.ts";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { ownBlob } from "../../../keepers/roles/inference/blobs.ts";
import { inferenceLedger } from "../../../keepers/roles/inference/ledger.ts";
import { settlementPass } from "../../../keepers/roles/inference/settle.ts";
import { openStore } from "../../../keepers/storage/index.ts";
import { blobIds, blobRenewal, startWalrusServer, walrusClient } from "../../../keepers/walrus/index.ts";
import { BatchStatus, type InferenceReceipt, Role, SettlementMode, Verification, receiptDigest, slotNumberOf, termsHash } from "../../../sdk/protocol/index.ts";
import { terms } from "../../settlement/builder.ts";
import { bytes32, settlementWorld } from "../../utils/settlement-world.ts";
import { codeOf } from "../support/code-of.ts";

const DAY = 86_400_000;

/** One node's settlement pass on a chain, with everything real but the transaction journal. */
async function settling() {
  const s = await settlementWorld();
  const node = await s.addNode(Role.Inference);
  const contract = s.addresses.InferenceSettlement as Address;
  const domain = { chainId: s.chainId, verifyingContract: contract };
  const dir = mkdtempSync(join(tmpdir(), "og-settle-"));
  const ids = blobIds();
  const clock = simulatedClock(1, Number(await s.now()) * 1_000);
  const walrus = await startWalrusServer({ directory: dir, blobIds: ids, clock: { ...systemClock(), now: () => clock.now() }, port: 0, epochSeconds: DAY / 1_000 });
  const ledger = inferenceLedger(openStore(":memory:"));
  ledger.rememberTerms(termsHash(terms(node)), terms(node));
  const client = walrusClient({ publisher: walrus.url, aggregators: [walrus.url], blobIds: ids, clock: systemClock(), attempts: 1, epochs: 3 });
  const renewal = blobRenewal({ store: openStore(":memory:"), walrus: client, clock, logger: silentLogger, epochs: 3, epochMs: DAY });
  let sequence = 0n;
  async function add(settlementMode: number) {
    const receipt: InferenceReceipt = {
      nodeId: node.nodeId, keyId: node.keyId, modelId: bytes32("model"), termsHash: termsHash(terms(node)), requestHash: bytes32(`q${sequence}`), responseHash: bytes32(`a${sequence}`),
      paymentId: bytes32("channel"), cumulativeBefore: sequence * 7n, charge: 7n, inputUnits: 1n, outputUnits: 1n, sequence: sequence++, issuedAt: await s.now(), outcome: 1,
    };
    const digest = receiptDigest(receipt, domain);
    ledger.add({ digest, receipt, signature: node.signer.sign(digest), settlementMode, verification: Verification.Tee, storedAt: clock.now() });
  }
  let open = 0;
  const journal = {
    async submit({ to, data }: { to: Address; data: Hex }) {
      expect(++open, "one transaction at a time").to.equal(1);
      const sent = await s.relayer.sendTransaction({ to, data });
      const receipt = (await sent.wait())!;
      open--;
      return { hash: sent.hash, receipt: { gasUsed: receipt.gasUsed } };
    },
  };
  const key = { nodeId: node.nodeId, keyId: node.keyId, keyType: node.signer.keyType, publicKey: node.signer.publicKey, sign: (digest: Hex) => Promise.resolve(node.signer.sign(digest)) };
  const read = async ({ functionName, args }: { functionName: string; args: unknown[] }) => (s.settlement as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[functionName]!(...args).then((value) => (functionName === "status" ? Number(value) : value));
  const pass = settlementPass({
    ledger, journal: journal as never, domain, keyById: (keyId) => (keyId === node.keyId ? key : undefined), clock, log: silentLogger,
    settlement: { chainId: s.chainId, deployment: { address: () => contract }, client: { readContract: read } } as never,
    walrus: client, keepBlob: (blobId, contentHash) => renewal.note(blobId, contentHash, clock.now() + 30 * DAY),
    place: { paymentChainId: 1n, escrow: bytes32("escrow").slice(0, 42) as Address }, policy: { size: 100, idleMs: 60_000, ageMs: 60_000, settleSize: 10 },
  });
  const close = async () => {
    await walrus.close();
    await ids.close();
    rmSync(dir, { recursive: true });
  };
  return { s, ledger, clock, add, pass, close, renewal, client };
}

describe("inference node: headers", () => {
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
});
