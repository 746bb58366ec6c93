/** An inference node of a rig: posts batches as they should be, or bent where a test says so. */
import { writeFile } from "node:fs/promises";
import { type Hex, keccak256 } from "viem";
import { retryable } from "../../../keepers/errors/index.ts";
import type { WalrusClient } from "../../../keepers/walrus/index.ts";
import { type BatchContent, encodeBatch, formatOf, type SignedLeaf, type TermsBook } from "../../../sdk/batch/index.ts";
import { mostFor, type Tariff, tariffHash } from "../../../sdk/payments/tariff.ts";
import {
  type BatchHeader, type ChannelStretch, compareReceipts, headerHash, type InferenceReceipt, positionalTree, receiptDigest, receiptLeaf, Role, SettlementMode, stretchesOf, stretchLeaf,
  type Terms, termsHash, Verification,
} from "../../../sdk/protocol/index.ts";
import { bytes32, ZERO, type World } from "../../utils/settlement-world.ts";

export interface Bend {
  count?: number;
  receipt?: (receipt: InferenceReceipt, index: number) => Partial<InferenceReceipt>;
  leaves?: (leaves: SignedLeaf[]) => SignedLeaf[];
  stretches?: (stretches: ChannelStretch[]) => ChannelStretch[];
  terms?: Partial<Terms>;
  /** Null: format 1. */
  book?: TermsBook | null;
  header?: Partial<BatchHeader>;
  payment?: string;
}

export type Poster = Awaited<ReturnType<typeof createPoster>>;

/** Blobs in memory, named by their content: what Walrus itself does is tested in test/keepers/walrus and, with real nodes, in test/e2e. */
export function blobsInMemory(): WalrusClient {
  const blobs = new Map<Hex, Uint8Array>();
  const store = {
    async storeAndReadBack(bytes: Uint8Array) {
      const blobId = keccak256(bytes);
      blobs.set(blobId, bytes);
      return { blobId };
    },
    async download(blobId: Hex, path: string, { contentHash }: { contentHash?: Hex } = {}) {
      const bytes = blobs.get(blobId);
      if (!bytes || (contentHash && keccak256(bytes) !== contentHash)) throw retryable("walrus.unavailable", `There is no blob ${blobId} with that content.`);
      await writeFile(path, bytes);
    },
  };
  return store as unknown as WalrusClient;
}

export async function createPoster(w: World, walrus: WalrusClient) {
  const node = await w.addNode(Role.Inference, { bond: w.parameters.registry.minBondInference * 100n });
  const domain = { chainId: w.chainId, verifyingContract: w.addresses.InferenceSettlement };
  const none = `0x${"00".repeat(20)}` as Hex;
  const version = (name: string, royaltyTo: Hex, royaltyBps: number) => ({
    name, version: "1", programHash: bytes32(name), kind: 1, blobId: ZERO, contentHash: bytes32("content"), manifestHash: ZERO, circuitHash: ZERO, weightsHash: ZERO, methods: 1 << Verification.Tee, vkHash: ZERO, royaltyTo, royaltyBps, licence: "MIT",
  });
  const publish = async (name: string, royaltyTo: Hex = none, royaltyBps = 0, more: Partial<ReturnType<typeof version>> = {}): Promise<Hex> => {
    const model = { ...version(name, royaltyTo, royaltyBps), ...more };
    await w.models.publishModel(model);
    return (await w.models.modelIdOf(w.admin.address, model)) as Hex;
  };
  const models = [await publish("free"), await publish("royal", "0x1111111111111111111111111111111111111111", 500)].sort();
  const integer = await publish("integer", none, 0, { kind: 2, methods: 1 << Verification.Vanilla });
  const plain = (await w.models.royaltyOf(models[0]!))[1] === 0n ? models[0]! : models[1]!;
  const tariff: Tariff = {
    chainId: 713371n, token: "0x7070707070707070707070707070707070707070",
    prices: [...models, integer, bytes32("unpublished")].sort().map((modelId) => ({ modelId, perRequest: 5n, perMillionInput: 1_000_000n, perMillionOutput: 2_000_000n, perMillionReasoning: 0n })),
  };
  const terms: Terms = {
    nodeId: node.nodeId, payout: "0x1111111111111111111111111111111111111111", settlementMode: SettlementMode.Batch, verification: Verification.Tee, tariffHash: tariffHash(tariff), policyId: ZERO,
    royaltyTo: none, royaltyBps: 0, feeBpsCap: 500, inbox: "0x2222222222222222222222222222222222222222",
  };
  let counter = 0;

  const sign = (receipt: InferenceReceipt): SignedLeaf => ({ receipt, signature: node.signer.sign(receiptDigest(receipt, domain)) });

  async function receiptsOf(bend: Bend): Promise<InferenceReceipt[]> {
    const payment = bytes32(bend.payment ?? `planted ${counter++}`);
    const now = await w.now();
    const hash = termsHash({ ...terms, ...bend.terms });
    let at = 0n;
    return Array.from({ length: bend.count ?? 6 }, (_, index): InferenceReceipt => {
      const honest: InferenceReceipt = {
        nodeId: node.nodeId, keyId: node.keyId, modelId: plain, termsHash: hash, requestHash: bytes32(`q ${counter} ${index}`), responseHash: bytes32(`a ${counter} ${index}`), paymentId: payment,
        cumulativeBefore: at, charge: mostFor(tariff.prices[0]!, 3n, 4n), inputUnits: 3n, outputUnits: 4n, sequence: BigInt(index), issuedAt: now, outcome: 1,
      };
      const receipt = { ...honest, ...bend.receipt?.(honest, index) };
      at = receipt.cumulativeBefore + receipt.charge;
      return receipt;
    });
  }

  async function build(bend: Bend = {}) {
    const receipts = (await receiptsOf(bend)).sort(compareReceipts);
    const leaves = (bend.leaves ?? ((all) => all))(receipts.map(sign));
    const honest = stretchesOf(leaves.map(({ receipt }) => receipt), () => ({ paymentChainId: 713371n, escrow: "0x5e5E5e5e5E5e5E5E5e5E5E5e5e5E5E5E5e5E5E5e" }));
    const stretches = bend.stretches?.(honest) ?? honest;
    const book = bend.book === null ? undefined : (bend.book ?? { terms: [{ ...terms, ...bend.terms }], tariffs: [tariff] });
    const content: BatchContent = { nodeId: node.nodeId, keyId: node.keyId, count: leaves.length, leaves, stretches, book };
    const blob = await encodeBatch(content);
    const { blobId } = await walrus.storeAndReadBack(blob);
    const [nonce, tip] = await w.settlement.tip(node.nodeId);
    const times = leaves.map(({ receipt }) => receipt.issuedAt).sort((a, b) => Number(a - b));
    const header: BatchHeader = {
      nodeId: node.nodeId, keyId: node.keyId, nonce: nonce + 1n, prevHeader: nonce === 0n ? ZERO : (`${tip}${"00".repeat(8)}` as Hex),
      receiptsRoot: positionalTree(leaves.map(({ receipt, signature }) => receiptLeaf(receiptDigest(receipt, domain), signature))).root, channelsRoot: positionalTree(stretches.map(stretchLeaf)).root,
      count: leaves.length, channels: stretches.length, totalCharge: leaves.reduce((sum, { receipt }) => sum + receipt.charge, 0n), minIssuedAt: times[0]!, maxIssuedAt: times.at(-1)!,
      blobId, contentHash: keccak256(blob), format: formatOf({ book }), ...bend.header,
    };
    const hash = headerHash(header, domain);
    return { header, hash, signature: node.signer.sign(hash), leaves, stretches };
  }

  return {
    node, terms, tariff, plain, integer, models, publish, sign, domain, build, receiptsOf,
    async post(bend: Bend = {}) {
      const built = await build(bend);
      const tx = await w.settlement.postBatch(built.header, built.signature, false);
      return { ...built, block: (await tx.wait())!.blockNumber };
    },
  };
}
