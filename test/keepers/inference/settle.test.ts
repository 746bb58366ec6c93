/** What a stopping node does with receipts that no header holds yet. */
import { expect } from "chai";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address, Hex } from "viem";
import { simulatedClock, systemClock } from "../../../keepers/clock/index.ts";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { inferenceLedger } from "../../../keepers/roles/inference/ledger.ts";
import { settlementPass } from "../../../keepers/roles/inference/settle.ts";
import { openStore } from "../../../keepers/storage/index.ts";
import { blobIds, startWalrusServer, walrusClient } from "../../../keepers/walrus/index.ts";
import { BatchStatus, type InferenceReceipt, Role, SettlementMode, Verification, receiptDigest } from "../../../sdk/protocol/index.ts";
import { bytes32, settlementWorld } from "../../utils/settlement-world.ts";

describe("inference node: the last header", () => {
  it("holds every receipt of the key that dies with the process, due or not; another pass finds nothing, and passes never overlap", async () => {
    const s = await settlementWorld();
    const node = await s.addNode(Role.Inference);
    const contract = s.addresses.InferenceSettlement as Address;
    const domain = { chainId: s.chainId, verifyingContract: contract };
    const dir = mkdtempSync(join(tmpdir(), "og-settle-"));
    const ids = blobIds();
    const walrus = await startWalrusServer({ directory: dir, blobIds: ids, clock: systemClock(), port: 0 });
    const ledger = inferenceLedger(openStore(":memory:"));
    const issuedAt = BigInt(await s.now());
    const clock = simulatedClock(1, Number(issuedAt) * 1_000);
    for (let sequence = 0n; sequence < 5n; sequence++) {
      const receipt: InferenceReceipt = {
        nodeId: node.nodeId, keyId: node.keyId, modelId: bytes32("model"), termsHash: bytes32("terms"), requestHash: bytes32(`q${sequence}`), responseHash: bytes32(`a${sequence}`),
        paymentId: bytes32("channel"), cumulativeBefore: sequence * 7n, charge: 7n, inputUnits: 1n, outputUnits: 1n, sequence, issuedAt, outcome: 1,
      };
      const digest = receiptDigest(receipt, domain);
      ledger.add({ digest, receipt, signature: node.signer.sign(digest), settlementMode: SettlementMode.Batch, verification: Verification.Tee, storedAt: clock.now() });
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
      walrus: walrusClient({ publisher: walrus.url, aggregators: [walrus.url], blobIds: ids, clock: systemClock() }),
      place: { paymentChainId: 1n, escrow: bytes32("escrow").slice(0, 42) as Address }, policy: { size: 100, idleMs: 60_000, ageMs: 60_000, settleSize: 10 },
    });
    try {
      expect(await pass(), "not due").to.equal(false);
      expect(await Promise.all([pass({ everything: true }), pass(), pass({ everything: true })])).to.deep.equal([true, false, false]);
      const header = ledger.lastHeader()!;
      expect([header.state, header.header.count, ledger.counts().pending]).to.deep.equal(["posted", 5, 0]);
      expect(Number(await s.settlement.status(header.hash))).to.equal(BatchStatus.Posted);
    } finally {
      await walrus.close();
      await ids.close();
      rmSync(dir, { recursive: true });
    }
  });
});
