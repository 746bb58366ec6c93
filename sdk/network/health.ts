/** The numbered invariants of docs/INVARIANTS.md against live chains: what `og health` prints and a full node exports as metrics. */
import type { Address, Hex, PublicClient } from "viem";
import { iEscrowHealthAbi } from "../../types/abi/IEscrowHealth.ts";
import { iHealthLensAbi } from "../../types/abi/IHealthLens.ts";
import { iNodeRegistryAbi } from "../../types/abi/INodeRegistry.ts";
import { iPaymentEscrowAbi } from "../../types/abi/IPaymentEscrow.ts";
import { type BatchHeader, Role } from "../protocol/index.ts";

/** One comparison. `id` is an invariant's number, or the name of a notice (a state that is allowed and worth knowing). */
export interface HealthFinding {
  id: string;
  ok: boolean;
  left: bigint;
  right: bigint;
  /** What it was looked at for, e.g. a role or a header. */
  about: string;
}

/** A chain as far as its health goes: the SDK's and the keepers' access both fit. */
export interface HealthAccess {
  client: PublicClient;
  address(contract: string): Address;
}

const PAGE = 50;

/** Invariants are numbered; everything else is a notice. */
export const isInvariant = ({ id }: HealthFinding): boolean => /^[A-Z]\d+$/.test(id);

/** @param headers Headers to look at, e.g. the pending and the newest ones. */
export async function settlementHealth({ client, address }: HealthAccess, headers: readonly { hash: Hex; header: BatchHeader }[]): Promise<HealthFinding[]> {
  const lens = { address: address("HealthLens"), abi: iHealthLensAbi } as const;
  const registry = { address: address("NodeRegistry"), abi: iNodeRegistryAbi } as const;
  const findings: HealthFinding[] = (await client.readContract({ ...lens, functionName: "all" })).map((finding) => ({ ...finding, about: "registry, committee" }));
  for (const [name, role] of Object.entries(Role)) {
    const nodeIds = await pages((cursor) => client.readContract({ ...registry, functionName: "activeNodes", args: [role, cursor, BigInt(PAGE)] }));
    findings.push({ ...(await client.readContract({ ...lens, functionName: "bondLedger", args: [role, nodeIds] })), about: `bonds of active ${name} nodes` });
    const parts = await Promise.all(chunks(nodeIds).map((part) => client.readContract({ ...lens, functionName: "keys", args: [part] })));
    findings.push(...merged(parts, `keys of active ${name} nodes`));
  }
  const count = Number(await client.readContract({ address: address("ModelRegistry"), abi: MODEL_COUNT, functionName: "modelCount" }));
  const models = await Promise.all(Array.from({ length: Math.ceil(count / PAGE) }, (_, page) => client.readContract({ ...lens, functionName: "models", args: [BigInt(page * PAGE), BigInt(PAGE)] })));
  findings.push(...merged(models, "models"));
  for (const { hash, header } of headers) {
    findings.push(...(await client.readContract({ ...lens, functionName: "header", args: [header] })).map((finding) => ({ ...finding, about: `header ${hash}` })));
  }
  return findings;
}

const MODEL_COUNT = [{ type: "function", name: "modelCount", stateMutability: "view", inputs: [], outputs: [{ type: "uint256" }] }] as const;

/** Over every channel that the escrow ever registered; who may hold a credit is known from the events too. */
export async function escrowHealth({ client, address }: HealthAccess, fromBlock = 0n): Promise<HealthFinding[]> {
  const escrow = address("PaymentEscrow");
  const lens = { address: address("EscrowHealth"), abi: iEscrowHealthAbi } as const;
  const read = { address: escrow, abi: iPaymentEscrowAbi } as const;
  const registered = await client.getContractEvents({ ...read, eventName: "ChannelRegistered", fromBlock, strict: true });
  const paymentIds = registered.map(({ args }) => args.paymentId);
  const terms = await client.getContractEvents({ ...read, eventName: "TermsRegistered", fromBlock, strict: true });
  const records = await Promise.all(terms.map(({ args }) => client.readContract({ ...read, functionName: "termsOf", args: [args.termsHash] })));
  const treasury = await client.readContract({ ...read, functionName: "treasury" });
  const beneficiaries = [...new Set([treasury, ...registered.map(({ args }) => args.payer), ...records.flatMap((record) => [record.payout, record.royaltyTo, record.treasury])])];

  const findings: HealthFinding[] = [];
  for (const token of new Set(registered.map(({ args }) => args.token))) {
    // What is owed adds up over the pages; what is there is one number.
    const parts = [
      ...(await Promise.all(chunks(paymentIds).map((part) => client.readContract({ ...lens, functionName: "backing", args: [escrow, token, part, []] })))),
      ...(await Promise.all(chunks(beneficiaries).map((part) => client.readContract({ ...lens, functionName: "backing", args: [escrow, token, [], part] })))),
    ];
    const setAside = await Promise.all(terms.map(({ args }) => client.readContract({ ...read, functionName: "sharesOf", args: [args.termsHash, token] })));
    const left = parts.reduce((sum, part) => sum + part.left, 0n) + setAside.reduce((sum, { fee, royalty }) => sum + fee + royalty, 0n);
    const right = parts[0]?.right ?? 0n;
    findings.push({ id: "E1", ok: left <= right, left, right, about: `token ${token}` });
    findings.push(...(await client.readContract({ ...lens, functionName: "releases", args: [escrow, token] })).map((finding) => ({ ...finding, about: `token ${token}` })));
  }
  findings.push(...merged(await Promise.all(chunks(paymentIds).map((part) => client.readContract({ ...lens, functionName: "channels", args: [escrow, part] }))), "channels"));
  return findings;
}

/** Findings of several pages as one a number: counts add up, and all must hold. */
function merged(parts: readonly (readonly Omit<HealthFinding, "about">[])[], about: string): HealthFinding[] {
  const byId = new Map<string, HealthFinding>();
  for (const { id, ok, left, right } of parts.flat()) {
    const before = byId.get(id) ?? { id, ok: true, left: 0n, right: 0n, about };
    byId.set(id, { id, ok: before.ok && ok, left: before.left + left, right: before.right + right, about });
  }
  return [...byId.values()];
}

async function pages(read: (cursor: bigint) => Promise<readonly [readonly Hex[], bigint]>): Promise<Hex[]> {
  const all: Hex[] = [];
  let cursor = 0n;
  do {
    const [ids, next] = await read(cursor);
    all.push(...ids);
    cursor = next;
  } while (cursor !== 0n);
  return all;
}

function chunks<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / PAGE) }, (_, page) => items.slice(page * PAGE, (page + 1) * PAGE));
}
