/** Makes receipts, headers and settlements the way a node does, with handles to bend each field. */
import { type Address, type Hex } from "viem";
import {
  type BatchHeader, type ChannelStretch, type InferenceReceipt, type Run, type Terms,
  compareReceipts, encodeRun, headerHash, positionalTree, prevHeaderOf, receiptDigest, receiptLeaf, runOf, stretchLeaf, stretchesOf, termsHash,
} from "../../sdk/protocol/index.ts";
import { type Signer, type World, ZERO, bytes32 } from "../utils/settlement-world.ts";

export const PLACE = { paymentChainId: 713371n, escrow: "0x5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e" as Address };

export interface BuilderNode {
  nodeId: Hex;
  keyId: Hex;
  signer: Signer;
}

export interface Built {
  header: BatchHeader;
  hash: Hex;
  signature: Hex;
  receipts: InferenceReceipt[];
  signatures: Hex[];
  leaves: Hex[];
  stretches: ChannelStretch[];
}

export const domainOf = (w: World) => ({ chainId: w.chainId, verifyingContract: w.addresses.InferenceSettlement });

export function terms(node: BuilderNode, change: Partial<Terms> = {}): Terms {
  return {
    nodeId: node.nodeId,
    payout: "0x1111111111111111111111111111111111111111",
    settlementMode: 3,
    verification: 1,
    tariffHash: bytes32("tariff"),
    policyId: ZERO,
    royaltyTo: "0x0000000000000000000000000000000000000000",
    royaltyBps: 0,
    feeBpsCap: 500,
    inbox: "0x2222222222222222222222222222222222222222",
    ...change,
  };
}

export function receipt(node: BuilderNode, issuedAt: bigint, change: Partial<InferenceReceipt> = {}): InferenceReceipt {
  return {
    nodeId: node.nodeId,
    keyId: node.keyId,
    modelId: bytes32("model"),
    termsHash: termsHash(terms(node)),
    requestHash: bytes32("request"),
    responseHash: bytes32("response"),
    paymentId: bytes32("payment"),
    cumulativeBefore: 0n,
    charge: 100n,
    inputUnits: 10n,
    outputUnits: 20n,
    sequence: 0n,
    issuedAt,
    outcome: 1,
    ...change,
  };
}

/** `count` receipts one after another on one payment's line. */
export function line(node: BuilderNode, issuedAt: bigint, count: number, change: Partial<InferenceReceipt> = {}): InferenceReceipt[] {
  const { cumulativeBefore = 0n, charge = 100n, sequence = 0n } = change;
  return Array.from({ length: count }, (_, i) =>
    receipt(node, issuedAt, { ...change, charge, cumulativeBefore: cumulativeBefore + BigInt(i) * charge, sequence: sequence + BigInt(i) }),
  );
}

/** The node's next header over these receipts. */
export async function build(w: World, node: BuilderNode, receipts: InferenceReceipt[], { slot = 0, ...change }: Partial<BatchHeader> & { slot?: number } = {}, prevHeader?: Hex): Promise<Built> {
  const [nonce, tip] = await w.settlement.tip(node.nodeId);
  const previous = prevHeader ?? prevHeaderOf(tip as Hex, BigInt(slot));
  return assemble(w, node, receipts, { nonce: nonce + 1n, prevHeader: previous, ...change });
}

export function assemble(w: World, node: BuilderNode, unsorted: InferenceReceipt[], change: Partial<BatchHeader>): Built {
  const domain = domainOf(w);
  const receipts = [...unsorted].sort(compareReceipts);
  const signatures = receipts.map((r) => node.signer.sign(receiptDigest(r, domain)));
  const leaves = receipts.map((r, i) => receiptLeaf(receiptDigest(r, domain), signatures[i]!));
  const stretches = stretchesOf(receipts, () => PLACE);
  const times = receipts.map((r) => r.issuedAt).sort((a, b) => Number(a - b));
  const header: BatchHeader = {
    nodeId: node.nodeId,
    keyId: node.keyId,
    nonce: 1n,
    prevHeader: ZERO,
    receiptsRoot: positionalTree(leaves).root,
    channelsRoot: positionalTree(stretches.map(stretchLeaf)).root,
    count: receipts.length,
    channels: stretches.length,
    totalCharge: receipts.reduce((sum, r) => sum + r.charge, 0n),
    minIssuedAt: times[0]!,
    maxIssuedAt: times.at(-1)!,
    blobId: bytes32("blob"),
    contentHash: bytes32("content"),
    format: 1,
    ...change,
  };
  const hash = headerHash(header, domain);
  return { header, hash, signature: node.signer.sign(hash), receipts, signatures, leaves, stretches };
}

/** What `settle` takes. */
export function settlementOf(built: Built, allTerms: Terms[], proofs: Record<number, { proof: Hex; publicInputs: bigint[] }> = {}) {
  const index = new Map(allTerms.map((t, i) => [termsHash(t), i]));
  return {
    header: built.header,
    signature: built.signature,
    terms: allTerms,
    places: built.stretches.map(({ paymentChainId, escrow }) => ({ paymentChainId, escrow })),
    items: built.receipts.map((r, i) => ({
      receipt: r,
      signature: built.signatures[i]!,
      terms: index.get(r.termsHash) ?? 0,
      proof: proofs[i]?.proof ?? ("0x" as Hex),
      publicInputs: proofs[i]?.publicInputs ?? [],
    })),
    fullBond: false,
  };
}

/** No blob: what a header of `settleRun` is. */
export const PLAIN = { blobId: ZERO, contentHash: ZERO, format: 0 } as const;

/** What `settleRun` takes, before it is encoded. @param places Of the receipts' statements. @throws If a run cannot say it. */
export function makeRun(built: Built, ofTerms: Terms, places?: number[]): Run {
  const run = runOf(built, built.receipts.map((receipt, i) => ({ receipt, signature: built.signatures[i]! })), ofTerms, places);
  if (!run) throw new Error("not a run");
  return run;
}

/** What `settleRun` takes. */
export const runSettlement = (...run: Parameters<typeof makeRun>): Hex => encodeRun(makeRun(...run));
