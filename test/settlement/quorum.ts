/** Committee members of a world as signers of statements. */
import { type Address, type Hex, keccak256 } from "viem";
import type { SettlementParameters } from "../../scripts/deploy/parameters.ts";
import { type BatchHeader, faultCommitment, leafCheckDigest, Role } from "../../sdk/protocol/index.ts";
import { settlementWorld, type World } from "../utils/settlement-world.ts";
import { type Built, domainOf } from "./builder.ts";

export type FullNode = Awaited<ReturnType<World["addNode"]>>;

/** Seats for these full nodes. @returns The epoch in which they sit. */
export async function seat(w: World, nodes: readonly FullNode[]): Promise<bigint> {
  for (const { nodeId } of nodes) await w.committee.join(nodeId);
  await w.committee.rotate();
  return w.committee.currentEpoch();
}

/**
 * A world in the first epoch of its committee, and an inference node whose bond bears many locks.
 * @param stakes Of the members, in multiples of the least bond.
 */
export async function committeeWorld({ stakes = [2n, 2n, 2n], change }: { stakes?: readonly bigint[]; change?: (parameters: SettlementParameters) => void } = {}) {
  const w = await settlementWorld(change);
  const { minBondInference, minBondFull } = w.parameters.registry;
  const node = await w.addNode(Role.Inference, { bond: minBondInference * 50n });
  const full: FullNode[] = [];
  for (const stake of stakes) full.push(await w.addNode(Role.Full, { bond: stake * minBondFull }));
  await seat(w, full);
  return { w, node, full };
}

/** Keeps a chain as it is now. @returns What brings that state back, as often as wanted. */
export async function keep(w: World): Promise<() => Promise<void>> {
  const snapshot = await w.networkHelpers.takeSnapshot();
  return () => snapshot.restore();
}

export async function membersOf(w: World, epoch: bigint): Promise<{ signer: Address; stake: bigint }[]> {
  return (await w.committee.members(epoch)).map(({ signer, stake }) => ({ signer: signer as Address, stake }));
}

/** Place of each node in the epoch's list. */
export async function seatsOf(w: World, epoch: bigint, nodes: readonly FullNode[]): Promise<number[]> {
  const members = await membersOf(w, epoch);
  return nodes.map(({ authorizer }) => members.findIndex(({ signer }) => signer === authorizer.address));
}

/** These nodes' signatures over a digest, in the contract's form. */
export async function quorumOf(w: World, epoch: bigint, digest: Hex, nodes: readonly FullNode[]): Promise<{ signers: bigint; signatures: Hex }> {
  const places = await seatsOf(w, epoch, nodes);
  const sorted = nodes.map((node, i) => ({ node, seat: places[i]! })).sort((a, b) => a.seat - b.seat);
  const signatures = sorted.map(({ node }) => node.authorizer.signingKey.sign(digest).serialized.slice(2)).join("");
  return { signers: sorted.reduce((bits, { seat }) => bits | (1n << BigInt(seat)), 0n), signatures: `0x${signatures}` };
}

export async function certify(w: World, built: Pick<Built, "hash"> & { header: BatchHeader }, epoch: bigint, nodes: readonly FullNode[]) {
  const digest = leafCheckDigest({ headerHash: built.hash, committeeEpoch: epoch }, domainOf(w));
  return w.settlement.certify(built.header, epoch, await membersOf(w, epoch), await quorumOf(w, epoch, digest, nodes));
}

/** Past both clocks of a header's window. */
export async function elapse(w: World): Promise<void> {
  await w.networkHelpers.time.increase(Number(w.parameters.settlement.window));
  await w.networkHelpers.mine(Number(w.parameters.settlement.windowBlocks));
}

/** Salt of the reporters' commitments. */
const REPORTER_SALT = `0x${"5a".repeat(32)}` as Hex;

/** What the call of `prove` below showed: opens the reporter's commitment once more. */
export const openingOf = (kind: number, evidence: Hex) => ({ kind, evidenceHash: keccak256(evidence), salt: REPORTER_SALT });

/** The same of a fault that anybody proved, read from the chain. @returns undefined when nobody did. */
export async function foundFault(w: World, headerHash: Hex): Promise<{ finder: Address; opening: ReturnType<typeof openingOf> } | undefined> {
  const [event] = await w.court.queryFilter(w.court.filters.FaultProved(headerHash));
  if (!event) return undefined;
  const { args } = w.court.interface.parseTransaction(await event.getTransaction())!;
  return { finder: event.args.reporter as Address, opening: { kind: Number(args.kind), evidenceHash: keccak256(args.evidence as Hex), salt: args.salt as Hex } };
}

/** Commits and proves in two blocks. */
export async function prove(w: World, reporter: { address: string }, header: BatchHeader, headerHash: Hex, kind: number, evidence: Hex): Promise<void> {
  const court = w.court.connect(reporter as never);
  await court.commit(faultCommitment(reporter.address as Address, headerHash, kind, evidence, REPORTER_SALT));
  await court.prove(header, kind, evidence, REPORTER_SALT);
}
