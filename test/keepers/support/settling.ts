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
import { blobIds, blobRenewal, startWalrusServer, walrusClient } from "../../../keepers/walrus/index.ts";
import { type InferenceReceipt, Role, Verification, receiptDigest, termsHash } from "../../../sdk/protocol/index.ts";
import { terms } from "../../settlement/builder.ts";
import { bytes32, settlementWorld } from "../../utils/settlement-world.ts";

export const DAY = 86_400_000;

/**
 * One node's settlement pass on a chain, with everything real but the transaction journal.
 * @param database A file, for what outlives its process.
 */
export async function settling(database = ":memory:") {
  const s = await settlementWorld();
  const node = await s.addNode(Role.Inference);
  const contract = s.addresses.InferenceSettlement as Address;
  const domain = { chainId: s.chainId, verifyingContract: contract };
  const dir = mkdtempSync(join(tmpdir(), "og-settle-"));
  const ids = blobIds();
  const clock = simulatedClock(1, Number(await s.now()) * 1_000);
  const walrus = await startWalrusServer({ directory: dir, blobIds: ids, clock: { ...systemClock(), now: () => clock.now() }, port: 0, epochSeconds: DAY / 1_000 });
  const store = openStore(database);
  const ledger = inferenceLedger(store);
  ledger.rememberTerms(termsHash(terms(node)), terms(node));
  const client = walrusClient({ publisher: walrus.url, aggregators: [walrus.url], blobIds: ids, clock: systemClock(), attempts: 1, epochs: 3 });
  const renewal = blobRenewal({ store: openStore(":memory:"), walrus: client, clock, logger: silentLogger, epochs: 3, epochMs: DAY });
  let sequence = 0n;
  async function add(settlementMode: number, change: Partial<InferenceReceipt> = {}, verification: number = Verification.Tee) {
    const receipt: InferenceReceipt = {
      nodeId: node.nodeId, keyId: node.keyId, modelId: bytes32("model"), termsHash: termsHash(terms(node)), requestHash: bytes32(`q${sequence}`), responseHash: bytes32(`a${sequence}`),
      paymentId: bytes32("channel"), cumulativeBefore: sequence * 7n, charge: 7n, inputUnits: 1n, outputUnits: 1n, sequence: sequence++, issuedAt: await s.now(), outcome: 1, ...change,
    };
    const digest = receiptDigest(receipt, domain);
    ledger.add({ digest, receipt, signature: node.signer.sign(digest), settlementMode, verification, storedAt: clock.now() });
    return { digest, receipt };
  }
  let open = 0;
  const sent: Hex[] = [];
  const journal = {
    async submit({ to, data }: { to: Address; data: Hex }) {
      expect(++open, "one transaction at a time").to.equal(1);
      sent.push(data);
      try {
        const transaction = await s.relayer.sendTransaction({ to, data });
        const receipt = (await transaction.wait())!;
        return { hash: transaction.hash, receipt: { gasUsed: receipt.gasUsed } };
      } finally {
        open--;
      }
    },
  };
  const key = { nodeId: node.nodeId, keyId: node.keyId, keyType: node.signer.keyType, publicKey: node.signer.publicKey, sign: (digest: Hex) => Promise.resolve(node.signer.sign(digest)) };
  const read = async ({ functionName, args = [] }: { functionName: string; args?: unknown[] }) => ((functionName === "verifyBatch" ? s.router : s.settlement) as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[functionName]!(...args).then((value) => (functionName === "status" ? Number(value) : value));
  const pass = settlementPass({
    ledger, journal: journal as never, domain, keyById: (keyId) => (keyId === node.keyId ? key : undefined), clock, log: silentLogger,
    settlement: { chainId: s.chainId, deployment: { address: () => contract }, client: { readContract: read }, pool: { head: async () => ({ timestamp: await s.now() }) } } as never,
    walrus: client, keepBlob: (blobId, contentHash) => renewal.note(blobId, contentHash, clock.now() + 30 * DAY),
    place: { paymentChainId: 1n, escrow: bytes32("escrow").slice(0, 42) as Address }, policy: { size: 100, idleMs: 60_000, ageMs: 60_000, settleSize: 10 },
  });
  const close = async () => {
    store.close();
    await walrus.close();
    await ids.close();
    rmSync(dir, { recursive: true });
  };
  return { s, node, sent, store, ledger, clock, add, pass, close, renewal, client };
}

