import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { InferenceClient } from "../client/client.ts";
import { NodeSession } from "../client/session.ts";
import { publishedPrograms } from "../models/program.ts";
import { fileDisputes } from "../network/dispute-file.ts";
import { type ChannelMemory, memoryChannels } from "../payments/channels.ts";
import { paymentClient } from "../payments/client.ts";
import { Verification, nameOf } from "../protocol/enums.ts";
import { callerKey, openNetwork, walrusStore } from "./network.ts";

export interface BuyOptions {
  network?: string;
  /** Node to ask; the first one that fits by default. */
  node?: string;
  /** Most that one answer may cost, smallest token unit. */
  maxCharge: string;
}

/** Where the payer's channels are remembered between calls; OG_CHANNELS names another file. */
export const channelsFile = () => process.env.OG_CHANNELS ?? join(homedir(), ".opengradient", "channels.json");

/** Where wrong answers are kept for `og dispute`; OG_DISPUTES names another directory. */
export const disputesDirectory = () => process.env.OG_DISPUTES ?? join(homedir(), ".opengradient", "disputes");

/** Finds a node for `model`, checks its offer against the registry, and returns a client that pays and verifies. */
export async function openClient(model: string, verification: number, options: BuyOptions): Promise<{ client: InferenceClient; close(): Promise<void> }> {
  const network = await openNetwork(options.network);
  const { settlement, payment } = network;
  const account = callerKey([settlement.chain.id, payment.chain.id]);
  const session = options.node
    ? await NodeSession.open(settlement, options.node as `0x${string}`)
    : await NodeSession.find(settlement, model, nameOf(Verification, verification));
  const payments = paymentClient({
    signer: account,
    chainId: payment.chain.id,
    reads: payment.client as never,
    fetch: session.fetch,
    memory: fileChannels(channelsFile()),
    policy: {
      network: `eip155:${payment.chain.id}`,
      tokens: [payment.address("TestDollar")],
      escrows: [payment.address("PaymentEscrow")],
      inboxes: [payment.address("SettlementInbox")],
      minWithdrawDelay: 900,
      maxCharge: BigInt(options.maxCharge),
      check: ({ terms, authorizer }) => {
        if (terms && (terms.nodeId !== session.info.nodeId || terms.payout !== session.info.payout)) throw new Error("The offer's terms name another node or payout than the registry.");
        if (authorizer && authorizer.toLowerCase() !== session.info.paymentAuthorizer.toLowerCase()) throw new Error("The offer names another payment authorizer than the registry.");
      },
    },
  });
  const domain = { chainId: settlement.chain.id, verifyingContract: settlement.address("InferenceSettlement") };
  let store: ReturnType<typeof walrusStore> | undefined;
  const programs = publishedPrograms((version) => (store ??= walrusStore(network.file.walrus)).blobs.read(version.blobId, { contentHash: version.contentHash }));
  const client = new InferenceClient({ session, payments, domain, programs, keepDispute: fileDisputes(disputesDirectory(), domain) });
  return {
    client,
    async close() {
      session.close();
      await store?.close();
    },
  };
}

/** Channels in a file, so that the next call goes on where the last one stopped. Replaced whole, never half written. */
export function fileChannels(path: string): ChannelMemory {
  const inMemory = memoryChannels();
  const stored = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8"), revive) as { contexts: Record<string, never>; nonces: Record<string, never>; channels?: Record<string, never> }) : { contexts: {}, nonces: {} };
  const channels: Record<string, never> = (stored.channels ??= {});
  const ready = Promise.all([
    ...Object.entries(stored.contexts).map(([key, context]) => inMemory.set(key, context)),
    ...Object.entries(stored.nonces).map(([key, nonce]) => inMemory.setNonce(key, nonce)),
    ...Object.values(channels).map((record) => inMemory.setChannel(record)),
  ]);
  const save = () => {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.new`, JSON.stringify(stored, replace, 2), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  };
  return {
    get: async (key) => (await ready, inMemory.get(key)),
    channels: async () => (await ready, inMemory.channels()),
    async setChannel(record) {
      await inMemory.setChannel(record);
      if (channels[record.paymentId]) return;
      channels[record.paymentId] = record as never;
      save();
    },
    nonceOf: async (key) => (await ready, inMemory.nonceOf(key)),
    async set(key, context) {
      await inMemory.set(key, context);
      stored.contexts[key] = context as never;
      save();
    },
    async delete(key) {
      await inMemory.delete(key);
      delete stored.contexts[key];
      save();
    },
    async setNonce(key, nonce) {
      await inMemory.setNonce(key, nonce);
      stored.nonces[key] = nonce as never;
      save();
    },
  };
}

const replace = (_: string, value: unknown) => (typeof value === "bigint" ? { $: value.toString() } : value);
const revive = (_: string, value: unknown) =>
  value !== null && typeof value === "object" && "$" in value ? BigInt((value as { $: string }).$) : value;
