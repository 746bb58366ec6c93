import type { Address, Hex, PublicClient } from "viem";
import { X402_CHANNELS, channelsAbi, erc20Abi, escrowAbi, lensAbi } from "./abi.ts";

/** Smallest token units. paid == released + fees + royalties + held + refunded + unprotected, each counted by itself. */
export interface PaymentTotals {
  /** By payers to the network: what channels have claimed for the escrow, and what single payments delivered. */
  paid: bigint;
  /** To nodes, net. */
  released: bigint;
  fees: bigint;
  royalties: bigint;
  /** Claimed, undecided. */
  held: bigint;
  refunded: bigint;
  /** Paid past the escrow: to vaults, by `upto` and `exact`. */
  unprotected: bigint;
}

export interface TotalsSource {
  client: PublicClient;
  escrow: Address;
  lens: Address;
  token: Address;
  /** Where single payments go. */
  vaults?: readonly Address[];
  fromBlock?: bigint;
}

/** The sums of one token, from the chain alone. @throws Error when they do not balance: that would be a broken ledger. */
export async function paymentTotals(source: TotalsSource): Promise<PaymentTotals> {
  const { client, escrow, token, lens } = source;
  const range = { fromBlock: source.fromBlock ?? 0n, toBlock: "latest" } as const;
  const [registered, releases, refunds, [claimed]] = await Promise.all([
    client.getContractEvents({ address: escrow, abi: escrowAbi, eventName: "ChannelRegistered", ...range }),
    client.getContractEvents({ address: escrow, abi: escrowAbi, eventName: "Released", ...range }),
    client.getContractEvents({ address: escrow, abi: escrowAbi, eventName: "Refunded", ...range }),
    client.readContract({ address: X402_CHANNELS, abi: channelsAbi, functionName: "receivers", args: [escrow, token] }),
  ]);
  const ids = registered.filter(({ args }) => same(args.token!, token)).map(({ args }) => args.paymentId!);
  const totals: PaymentTotals = { paid: claimed, released: 0n, fees: 0n, royalties: 0n, held: 0n, refunded: 0n, unprotected: 0n };
  const ours = new Set<Hex>(ids);
  // Rows of one event have one token.
  const isOurs = (moves: readonly { paymentId: Hex }[]) => ours.has(moves[0]!.paymentId);
  const gross = (moves: readonly { from: bigint; to: bigint }[]) => moves.reduce((sum, { from, to }) => sum + to - from, 0n);
  for (const { args } of releases) {
    if (!isOurs(args.moves!)) continue;
    totals.released += gross(args.moves!) - args.fee! - args.royalty!;
    totals.fees += args.fee!;
    totals.royalties += args.royalty!;
  }
  for (const { args } of refunds) if (isOurs(args.moves!)) totals.refunded += gross(args.moves!);
  for (const paymentId of ids) {
    totals.held += (await client.readContract({ address: lens, abi: lensAbi, functionName: "moneyOf", args: [escrow, paymentId] })).held;
  }
  for (const to of source.vaults ?? []) {
    const received = await client.getContractEvents({ address: token, abi: erc20Abi, eventName: "Transfer", args: { to }, ...range });
    totals.unprotected += received.reduce((sum, { args }) => sum + args.value!, 0n);
  }
  totals.paid += totals.unprotected;
  const accounted = totals.released + totals.fees + totals.royalties + totals.held + totals.refunded + totals.unprotected;
  if (accounted !== totals.paid) {
    // Claims of channels that nobody has registered are nobody's yet: held.
    if (accounted > totals.paid) throw new Error(`the ledger does not balance: paid ${totals.paid}, accounted for ${accounted}`);
    totals.held += totals.paid - accounted;
  }
  return totals;
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
