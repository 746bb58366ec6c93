/** Keeps the payment chain's inbox awake: signs hand-overs and keep-alives with the others, and carries them when it is this node's turn. */
import { type Abi, type Hex, encodeAbiParameters, encodeFunctionData } from "viem";
import { committeeListHash, type Finality, finalityDigest, type ProtocolDomain, type Rotation, rotationDigest } from "../../../sdk/protocol/index.ts";
import { iCommitteeAbi } from "../../../types/abi/ICommittee.ts";
import { iSettlementInboxAbi } from "../../../types/abi/ISettlementInbox.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { type DoneCheck, intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import type { CommitteeWork } from "./committee.ts";
import { decideHandover, type HandoverStep } from "./handover-plan.ts";
import { seatOf, type Statement, type StatementStore } from "./statements.ts";
import type { FullStore } from "./store.ts";

export interface HandoverDeps {
  platform: Platform;
  store: FullStore;
  statements: StatementStore;
  work: Pick<CommitteeWork, "sign" | "quorumFor">;
  domain: ProtocolDomain;
}

/** Ends of a transaction that say "somebody else was first", or that the next look will come to a fresh one. */
const MILD = new Set(["tx.superseded", "tx.abandoned", "tx.reverted", "tx.cancelled", "tx.key_conflict"]);

export interface Handover {
  /** Signs what is due and carries what has a quorum. */
  step(): Promise<void>;
}

export function createHandover({ platform, store, statements, work, domain }: HandoverDeps): Handover {
  const { settlement, payment, signer, journal, clock, metrics } = platform;
  if (!payment?.deployment.has("SettlementInbox")) return { step: async () => {} };
  const logger = platform.logger.child({ part: "handover" });
  const { chainId, client } = payment;
  const inbox = { address: payment.deployment.address("SettlementInbox"), abi: iSettlementInboxAbi } as const;
  const committee = { address: settlement.deployment.address("Committee"), abi: iCommitteeAbi } as const;
  let certificateLife: bigint | undefined;
  let silence: bigint | undefined;

  async function look() {
    certificateLife ??= (await settlement.client.readContract({ ...committee, functionName: "params" })).certificateLife;
    silence ??= BigInt((await client.readContract({ ...inbox, functionName: "times" })).silence);
    const [epoch, lastHeardAt, head, settlementHead] = await Promise.all([
      client.readContract({ ...inbox, functionName: "currentEpoch" }), client.readContract({ ...inbox, functionName: "lastHeardAt" }), payment!.pool.head(), settlement.pool.head(),
    ]);
    const depth = BigInt(settlement.confirmations) - 1n;
    const blockNumber = settlementHead.number > depth ? settlementHead.number - depth : 0n;
    const block = await settlement.client.getBlock({ blockNumber });
    const next = store.epoch(epoch + 1n);
    return {
      payment: { chainId: BigInt(chainId), inbox: inbox.address, now: head.timestamp },
      inbox: { epoch, lastHeardAt, silence },
      settlement: { now: block.timestamp, block: blockNumber, certificateLife },
      next: next ? { epoch: next.epoch, listHash: committeeListHash(next.epoch, next.members), block: store.epochBlock(next.epoch)! } : null,
    };
  }

  async function sign(step: HandoverStep): Promise<void> {
    const statement = statementOf(step, domain);
    if (seatOf(store.epoch(statement.epoch), signer.address) < 0 || statements.has(statement.digest)) return;
    if (step.kind === "rotation" && !(await holds(step.message))) return;
    await work.sign(statement);
  }

  /** The list decides who may move money: two endpoints must show it. */
  async function holds({ epoch, listHash }: Rotation): Promise<boolean> {
    const blockNumber = (await settlement.pool.head()).number;
    const info = await settlement.moneyClient.readContract({ ...committee, functionName: "epochInfo", args: [epoch], blockNumber });
    if (info.listHash === listHash) return true;
    logger.error({ epoch, listHash, onChain: info.listHash }, "the followed list is not the chain's: nothing is signed");
    return false;
  }

  async function carry(statement: Statement, inboxEpoch: bigint): Promise<void> {
    const ready = work.quorumFor(statement);
    if (!ready) return;
    const { epoch: signing, quorum } = ready;
    if (statement.kind === "rotation") {
      const rotation = statement.message as Rotation;
      const next = store.epoch(rotation.epoch);
      if (!next) return;
      const args = [rotation, next.members, signing.members, quorum];
      const done = { to: inbox.address, data: encodeFunctionData({ ...inbox, functionName: "currentEpoch" }), equals: encodeAbiParameters([{ type: "uint64" }], [inboxEpoch + 1n]) };
      if (await submit("rotate", args, statement.digest, rotation.validUntil, done)) metrics.count("handovers_total");
    } else {
      const finality = statement.message as Finality;
      await submit("record", [{ finality, members: signing.members, quorum }], statement.digest, finality.validUntil);
    }
  }

  async function submit(method: "rotate" | "record", args: readonly unknown[], subject: Hex, deadline: bigint, done?: DoneCheck): Promise<boolean> {
    const abi = iSettlementInboxAbi as unknown as Abi;
    try {
      const { receipt } = await journal.submit({
        key: intentKey(platform.name, chainId, inbox.address, method, subject), chainId, to: inbox.address, data: encodeFunctionData({ abi, functionName: method, args }),
        label: method, abi, deadline, done, again: true,
      });
      logger.info({ method, subject, tx: receipt.transactionHash, gas: receipt.gasUsed }, method === "rotate" ? "the committee is handed over" : "keep-alive is on chain");
      return true;
    } catch (error) {
      if (!isKeeperError(error) || !MILD.has(error.code)) throw error;
      logger.debug({ method, subject, reason: messageOf(error) }, `${method} was not needed`);
      return false;
    }
  }

  return {
    async step() {
      const view = await look();
      const steps = decideHandover(view);
      for (const step of steps) await sign(step);
      for (const kind of ["rotation", "beat"] as const) {
        for (const statement of statements.open(kind)) {
          // What is no longer asked for is done, by whomever: a fresh statement is signed when it is due again.
          const wanted = steps.some((step) => statementOf(step, domain).digest === statement.digest);
          if (wanted) await carry(statement, view.inbox.epoch);
          else statements.close(statement.digest, clock.now());
        }
      }
    },
  };
}

/** A rotation is the old epoch's word about the new one; a keep-alive is the inbox's epoch's about itself. */
export function statementOf(step: HandoverStep, domain: ProtocolDomain): Omit<Statement, "signedAt"> {
  if (step.kind === "beat") {
    const { message } = step;
    return { digest: finalityDigest(message, domain), kind: "beat", headerHash: message.headerHash, epoch: message.committeeEpoch, message };
  }
  const { message } = step;
  return { digest: rotationDigest(message, domain), kind: "rotation", headerHash: message.listHash, epoch: message.epoch - 1n, message };
}
