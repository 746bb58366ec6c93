/** Carries Finality to the payment chain: final stretches are released to nodes, rejected ones go back to payers. */
import { type Abi, type Hex, encodeFunctionData } from "viem";
import { BatchStatus, type ChannelStretch, type Finality, positionalTree, stretchLeaf } from "../../../sdk/protocol/index.ts";
import { iEscrowLensAbi } from "../../../types/abi/IEscrowLens.ts";
import { iPaymentEscrowAbi } from "../../../types/abi/IPaymentEscrow.ts";
import { iSettlementInboxAbi } from "../../../types/abi/ISettlementInbox.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import type { CommitteeWork } from "./committee.ts";
import type { StatementStore } from "./statements.ts";
import type { FullStore, HeaderRow } from "./store.ts";

/** Stretches in one release: the gas of a transaction is bounded. */
const MAX_STRETCHES = 60;
/** StretchStatus of IPaymentEscrow. */
const SETTLED = 1;
/** Statuses that no later claim or release can change: another chain, escrow or node. */
const HOPELESS: ReadonlySet<number> = new Set([3, 4]);

export interface Carrier {
  /** Carries what has a quorum and is this node's turn. */
  step(): Promise<void>;
}

export function createCarrier(platform: Platform, store: FullStore, statements: StatementStore, work: CommitteeWork): Carrier {
  const { payment, journal, clock } = platform;
  const logger = platform.logger.child({ part: "release" });
  if (!payment?.deployment.has("PaymentEscrow")) return { step: async () => {} };
  const escrow = payment.deployment.address("PaymentEscrow");
  const inbox = payment.deployment.address("SettlementInbox");
  const { chainId, client } = payment;
  const lens = payment.deployment.address("EscrowLens");

  async function submit(method: "release" | "refundRejected" | "record", args: readonly unknown[], subject: string): Promise<boolean> {
    const [to, abi] = method === "record" ? [inbox, iSettlementInboxAbi as unknown as Abi] : [escrow, iPaymentEscrowAbi as unknown as Abi];
    try {
      const { receipt } = await journal.submit({
        key: intentKey(platform.name, chainId, to, method, subject), chainId, to, data: encodeFunctionData({ abi, functionName: method, args }), label: method, abi, again: true,
      });
      logger.info({ method, subject, tx: receipt.transactionHash, gas: receipt.gasUsed }, `${method} is on chain`);
      return true;
    } catch (error) {
      if (!isKeeperError(error) || !["tx.superseded", "tx.abandoned", "tx.reverted"].includes(error.code)) throw error;
      logger.warn({ method, subject, reason: messageOf(error) }, `${method} was refused`);
      return false;
    }
  }

  function ours(stretches: readonly ChannelStretch[]): number[] {
    return stretches.flatMap((stretch, index) =>
      stretch.paymentChainId === BigInt(chainId) && stretch.escrow.toLowerCase() === escrow.toLowerCase() && stretch.to > stretch.from ? [index] : [],
    );
  }

  async function carry(row: HeaderRow, message: Finality, certificate: object): Promise<boolean> {
    const stretches = store.stretches(row.hash);
    const verdict = await client.readContract({ address: inbox, abi: iSettlementInboxAbi, functionName: "verdictOf", args: [row.hash] });
    const recorded = verdict.status !== 0 || (await submit("record", [certificate], `${row.hash}:${message.committeeEpoch}`));
    if (!recorded) return false;
    const indices = ours(stretches);
    if (indices.length === 0) return true;
    const tree = positionalTree(stretches.map(stretchLeaf));
    const method = row.status === BatchStatus.Final ? "release" : "refundRejected";
    let settled = true;
    for (let from = 0; from < indices.length; from += MAX_STRETCHES) {
      const part = indices.slice(from, from + MAX_STRETCHES);
      const chosen = part.map((index) => stretches[index]!);
      if (method === "release") {
        const [statuses] = await client.readContract({ address: lens, abi: iEscrowLensAbi, functionName: "previewRelease", args: [escrow, row.header, chosen] });
        if (statuses.some((status) => status === SETTLED)) await send(chosen, part);
        // What the node has not claimed yet, or what lies above a gap, is released later: the statement stays open for it.
        for (const [at, stretch] of chosen.entries()) settled &&= HOPELESS.has(statuses[at]!) || (await watermark(stretch.paymentId)) >= stretch.to;
      } else {
        settled = (await send(chosen, part)) && settled;
      }
    }
    return settled;

    function send(chosen: readonly ChannelStretch[], part: readonly number[]): Promise<boolean> {
      // A whole list needs no proof.
      const places = part.length === stretches.length ? { indices: [], path: [] } : { indices: [...part], path: tree.paths(part) };
      return submit(method, [row.header, chosen, places], `${row.hash}:${part[0]}:${Math.floor(clock.now() / 60_000)}`);
    }
  }

  async function watermark(paymentId: Hex): Promise<bigint> {
    return (await client.readContract({ address: lens, abi: iEscrowLensAbi, functionName: "moneyOf", args: [escrow, paymentId] })).settledUpTo;
  }

  return {
    async step() {
      for (const statement of statements.open("finality")) {
        const row = store.header(statement.headerHash);
        const message = statement.message as Finality;
        // An individual settlement whose call is not indexed yet has no header to show.
        if (!row || row.status !== message.status || row.header.count === 0) continue;
        const ready = work.quorumFor(statement);
        if (!ready) continue;
        try {
          if (await carry(row, message, { finality: message, members: ready.epoch.members, quorum: ready.quorum })) statements.carried(statement.kind, statement.headerHash, clock.now());
        } catch (error) {
          // One header's trouble must not hold up the others.
          logger.warn({ header: row.hash, reason: messageOf(error) }, "certificate could not be carried yet");
        }
      }
    },
  };
}
