/** Gas of the settlement chain's calls, on a simulated chain with everything deployed. Exact, and the same on every machine. */
import type { ContractTransactionResponse } from "ethers";
import { type Hex } from "viem";
import {
  FaultKind, Role, encodeEvidence, faultCommitment, heartbeatDigest, leafCheckDigest, positionalTree, receiptDigest, receiptLeaf, signedHeartbeat,
} from "../../../sdk/protocol/index.ts";
import { type Built, PLAIN, assemble, build, domainOf, line, runSettlement, settlementOf, terms } from "../../../test/settlement/builder.ts";
import { IMAGE, type World, WORKLOAD, ZERO, bytes32, settlementWorld } from "../../../test/utils/settlement-world.ts";
import { proofs } from "./proofs.ts";

type Node = Awaited<ReturnType<World["addNode"]>>;

async function gasOf(call: Promise<ContractTransactionResponse>): Promise<number> {
  return Number((await (await call).wait())!.gasUsed);
}

/** Intrinsic gas of a transaction: what calling contracts do not pay again. */
function intrinsic(data: string): number {
  const bytes = Buffer.from(data.slice(2), "hex");
  return 21_000 + bytes.reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 0);
}

/** Successive headers of one node over one payment's line: the steady state of a busy channel. */
class Line {
  readonly #w: World;
  readonly node: Node;
  #sequence = 0n;

  constructor(w: World, node: Node) {
    this.#w = w;
    this.node = node;
  }

  async next(count: number, change: Parameters<typeof build>[3] = {}) {
    const receipts = line(this.node, await this.#w.now(), count, { cumulativeBefore: this.#sequence * 100n, sequence: this.#sequence });
    this.#sequence += BigInt(count);
    return build(this.#w, this.node, receipts, change);
  }
}

/** TEE individual, one and many in a header, as keepers send it; steady: channel, node, key and the header's slot were used before. */
export async function individual(): Promise<Record<string, number>> {
  const w = await settlementWorld();
  const steady = new Line(w, await w.addNode(Role.Inference));
  const at = (slot: number) => ({ ...PLAIN, slot });
  const run = async (count: number, slot: number) => gasOf(w.settlement.settleRun(runSettlement(await steady.next(count, at(slot)), terms(steady.node))));
  const general = async (count: number, slot: number) => gasOf(w.settlement.settle(settlementOf(await steady.next(count, at(slot)), [terms(steady.node)])));
  for (const slot of [1, 2, 3, 4]) await run(1, slot);
  const firstUse = await run(1, 5);
  await w.networkHelpers.time.increase(Number(w.parameters.settlement.slotLife) + 1);
  return {
    "tee-individual": await run(1, 1),
    "tee-individual-new-slot": firstUse,
    "tee-multi-50-each": Math.ceil((await run(50, 2)) / 50),
    "tee-individual-any-receipts": await general(1, 3),
    "tee-multi-50-any-receipts-each": Math.ceil((await general(50, 4)) / 50),
  };
}

/**
 * Post, certificate of 7, use of one receipt, proof of a bad leaf, in batches of 1,024. In a slot that is used again, as from the sixtieth
 * day of a node's life on; `-new-slot` before that.
 */
export async function batch(): Promise<Record<string, number>> {
  const w = await settlementWorld();
  const steady = new Line(w, await w.addNode(Role.Inference));
  const full: Node[] = [];
  for (let i = 0; i < 7; i++) {
    const member = await w.addNode(Role.Full);
    await w.committee.join(member.nodeId);
    full.push(member);
  }
  await w.committee.rotate();
  const members = (await w.committee.members(1)).map(({ signer, stake }) => ({ signer, stake }));

  const post = async ({ header, signature }: Built) => gasOf(w.settlement.postBatch(header, signature, false));
  const certify = async ({ header, hash }: Built) => {
    const digest = leafCheckDigest({ headerHash: hash, committeeEpoch: 1n }, domainOf(w));
    const signatures = members.map(({ signer }) => full.find((f) => f.authorizer.address === signer)!.authorizer.signingKey.sign(digest).serialized.slice(2));
    return gasOf(w.settlement.certify(header, 1, members, { signers: 127n, signatures: `0x${signatures.join("")}` }));
  };
  for (const slot of [1, 2]) await post(await steady.next(8, { slot }));
  const early = await steady.next(1_024, { slot: 3 });
  const fresh = { post: await post(early), certificate: await certify(early) };
  const { window, windowBlocks, slotLife } = w.parameters.settlement;
  await w.networkHelpers.time.increase(Number(window));
  await w.networkHelpers.mine(Number(windowBlocks));
  const finalize = await gasOf(w.settlement.finalize(early.header));
  await w.networkHelpers.time.increase(Number(slotLife) + 1);
  const built = await steady.next(1_024, { slot: 3 });
  const again = { post: await post(built), certificate: await certify(built) };

  const tree = positionalTree(built.leaves);
  const use = [built.header, built.receipts[77]!, built.signatures[77]!, 77, tree.path(77)] as const;
  const { data } = await w.settlement.verifyInclusion.populateTransaction(...use);
  const receiptUse = Number(await w.settlement.verifyInclusion.estimateGas(...use)) - intrinsic(data);

  const bad = await steady.next(1_024, { slot: 4 });
  const receipts = bad.receipts.map((r, i) => (i === 500 ? { ...r, responseHash: bytes32("x") } : r));
  const leaves = receipts.map((r, i) => receiptLeaf(receiptDigest(r, domainOf(w)), bad.signatures[i]!));
  const badTree = positionalTree(leaves);
  const forged = assemble(w, steady.node, bad.receipts, { ...bad.header, receiptsRoot: badTree.root });
  await w.settlement.postBatch(forged.header, forged.signature, false);
  const evidence = encodeEvidence({ leaf: { receipt: receipts[500]!, signature: bad.signatures[500]!, index: 500n, path: badTree.path(500) } });
  const salt = bytes32("salt");
  const commit = await gasOf(w.court.connect(w.relayer).commit(faultCommitment(w.relayer.address as Hex, forged.hash, FaultKind.BadSignature, evidence, salt)));
  const prove = await gasOf(w.court.connect(w.relayer).prove(forged.header, FaultKind.BadSignature, evidence, salt));
  return {
    "batch-post": again.post, "batch-post-new-slot": fresh.post, "certificate-7": again.certificate, "certificate-7-new-slot": fresh.certificate, finalize,
    "receipt-use": receiptUse, "bad-leaf-challenge": prove, "bad-leaf-commit": commit,
  };
}

/** Revocation of an image that 50 nodes run, under an owner's policy and under the network's (behind the AccessManager). */
export async function revocation(): Promise<Record<string, number>> {
  const w = await settlementWorld();
  const owner = await w.account();
  const policy = w.policy.connect(owner);
  await policy.createPolicy("bench", 0, 1 << 9, 1);
  const policyId = await policy.policyIdOf(owner.address, "bench");
  await policy.approveImage(policyId, WORKLOAD, IMAGE);
  for (let i = 0; i < 50; i++) await w.addNode(Role.Inference, { policyId: policyId as Hex });
  const now = await w.now();
  return {
    "image-revocation": await gasOf(policy.revokeImage(policyId, await policy.indexOf(policyId, WORKLOAD, IMAGE), now)),
    "image-revocation-default-policy": await gasOf(w.policy.revokeImage(ZERO, await w.policy.indexOf(ZERO, WORKLOAD, IMAGE), now)),
  };
}

/** One node's heartbeat, the second one: the first also makes the node active. */
export async function heartbeat(): Promise<number> {
  const w = await settlementWorld();
  const { nodeId, signer } = await w.addNode(Role.Inference);
  const beat = async (): Promise<number> => {
    await w.networkHelpers.mine(2);
    const block = (await w.ethers.provider.getBlock((await w.ethers.provider.getBlockNumber()) - 1))!;
    const statement = { nodeId, blockNumber: BigInt(block.number), blockHash: block.hash as Hex };
    return gasOf(w.registry.heartbeat(nodeId, block.number, signer.sign(heartbeatDigest(statement, { chainId: w.chainId, verifyingContract: w.addresses.NodeRegistry }))));
  };
  await beat();
  return beat();
}

/** Heartbeats of 20 nodes in one transaction. */
export async function heartbeats(): Promise<Record<string, number>> {
  const w = await settlementWorld();
  const nodes: Node[] = [];
  for (let i = 0; i < 20; i++) nodes.push(await w.addNode(Role.Inference));
  await w.networkHelpers.mine(2);
  const block = (await w.ethers.provider.getBlock((await w.ethers.provider.getBlockNumber()) - 1))!;
  const domain = { chainId: w.chainId, verifyingContract: w.addresses.NodeRegistry };
  const beats = nodes.map(({ nodeId, signer }) =>
    signedHeartbeat(nodeId, signer.sign(heartbeatDigest({ nodeId, blockNumber: BigInt(block.number), blockHash: block.hash as Hex }, domain))),
  );
  const gas = await gasOf(w.registry.heartbeats(block.number, beats));
  return { "heartbeat-20-each": Math.ceil(gas / 20) };
}

export const ASKED: Record<string, string> = {
  "tee-individual": "<= 75,000, whole transaction, steady",
  "tee-multi-50-each": "<= 20,000",
  "batch-post": "<= 90,000",
  "batch-post-new-slot": "<= 90,000 as well",
  "certificate-7": "<= 120,000",
  "certificate-7-new-slot": "<= 120,000 as well",
  "receipt-use": "<= 35,000",
  "bad-leaf-challenge": "<= 200,000",
  "image-revocation": "<= 35,000",
  "heartbeat-20-each": "<= 12,000",
};

/** All figures that are gas. */
export async function gasFigures(print: (line: string) => void): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const [name, part] of Object.entries({ individual, proofs: () => proofs(), batch, revocation, heartbeats })) {
    print(`  ${name} ...`);
    Object.assign(figures, await part());
  }
  return figures;
}
