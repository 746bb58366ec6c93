/**
 * Demands for a batch's data, as every node meets them: whoever misses data asks for it, whoever holds it answers and is
 * paid, and what nobody answers falls. Inference nodes use it for their own batches, full nodes for all.
 */
import { type Abi, type Hex, encodeFunctionData } from "viem";
import type { BlobSource } from "../../../sdk/batch/index.ts";
import { type BatchHeader, BatchStatus, type ProtocolDomain } from "../../../sdk/protocol/index.ts";
import { iDemandsAbi } from "../../../types/abi/IDemands.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import { createFollower, followerMigration } from "../../chain/index.ts";
import type { Deployment } from "../../config/index.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { type PolicyRule, rulesFor } from "../../signer/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import { answerOf } from "./answers.ts";
import { type DemandPolicy, type DemandStep, type DemandView, bondFor, decideDemands, type Want } from "./decide.ts";
import { type DemandRow, demandStore } from "./store.ts";

export { bondFor, decideDemands, type DemandPolicy, type DemandStep, type DemandView, type Want } from "./decide.ts";
export { demandFields } from "./fields.ts";
export { DemandKind, demandStore } from "./store.ts";

/** What a role knows of batches. */
export interface DemandData {
  /** A header by its hash, if this node knows it. */
  header(hash: Hex): BatchHeader | undefined;
  /** The batch's data, from its beginning; null when this node does not hold it. */
  blob(hash: Hex): (() => BlobSource) | null;
  /** Pending headers whose data is missing or leads nowhere, and since when (ms); none for nodes that only answer. */
  missing(): { hash: Hex; header: BatchHeader; since: number }[];
}

export interface DemandOptions extends DemandData {
  domain: ProtocolDomain;
  policy: DemandPolicy;
  /** Most that one demand's bond may come to, wei. */
  maxBond: bigint;
}

/** What the hot key may do. @param maxBond 0 for nodes that never ask. */
export function demandRules(settlement: Deployment, maxBond = 0n): PolicyRule[] {
  if (!settlement.has("Demands")) return [];
  const rules = (methods: string[]) => rulesFor(settlement.chainId, settlement.address("Demands"), iDemandsAbi as unknown as Abi, methods);
  const answering = rules(["answerReceipts", "answerStretches", "answerLast", "enforce", "close", "withdraw"]);
  return maxBond > 0n ? [...answering, ...rules(["ask"]).map((rule) => ({ ...rule, maxValue: maxBond }))] : answering;
}

export interface DemandWork {
  /** Follows the contract, decides, and does what was decided. */
  step(): Promise<void>;
  /** Fetches what answering and asking has earned. */
  withdraw(): Promise<void>;
  totals(): Record<string, number>;
}

const PENDING: ReadonlySet<number> = new Set([BatchStatus.Posted, BatchStatus.Certified]);
/** Open demands that one step looks at: 16 a header is the contract's limit. */
const LOOK = 512;

export function createDemandWork(platform: Platform, options: DemandOptions): DemandWork {
  const { settlement, signer, journal, clock, store: db, metrics } = platform;
  const logger = platform.logger.child({ part: "demands" });
  if (!settlement.deployment.has("Demands")) return { step: async () => {}, withdraw: async () => {}, totals: () => ({}) };
  const address = settlement.deployment.address("Demands");
  const abi = iDemandsAbi as unknown as Abi;
  const contract = { address, abi: iDemandsAbi } as const;
  db.migrate(followerMigration);
  const store = demandStore(db);
  /** Demands that our data does not answer: it leads to other roots than the header's. */
  const unanswerable = new Set<bigint>();
  const follower = createFollower({
    name: "demands", pool: settlement.pool, store: db, logger, addresses: [address], startBlock: settlement.deployment.startBlock, reorgDepth: settlement.reorgDepth,
    apply: (logs) => store.apply(logs, clock.now()),
    rollback: (block) => store.rollback(block),
  });

  const statusOf = (header: BatchHeader) =>
    settlement.client.readContract({ address: settlement.deployment.address("InferenceSettlement"), abi: iInferenceSettlementAbi, functionName: "status", args: [header] });

  async function view(row: DemandRow): Promise<DemandView | null> {
    const header = options.header(row.headerHash);
    if (!header) return null; // another node's batch, or one that this node has not seen yet
    const [[time, block], status, head] = await Promise.all([settlement.client.readContract({ ...contract, functionName: "deadline", args: [row.id] }), statusOf(header), settlement.pool.head()]);
    const overdue = head.timestamp > time && head.number > block;
    return {
      id: row.id, headerHash: row.headerHash, mine: row.asker === signer.address.toLowerCase(), pending: PENDING.has(status),
      held: options.blob(row.headerHash) !== null && !unanswerable.has(row.id), sinceMs: clock.now() - row.seenAt,
      overdueMs: overdue ? Number(head.timestamp - time) * 1_000 : null,
    };
  }

  function wants(): Want[] {
    return options.missing().map(({ hash, header, since }) => {
      const { open, asked } = store.counts(hash, signer.address);
      return { headerHash: hash, count: header.count, sinceMs: clock.now() - since, open, askedByUs: asked, random: BigInt(`0x${Buffer.from(clock.randomBytes(8)).toString("hex")}`) };
    });
  }

  /** @returns Whether it is on chain by us. */
  async function submit(method: string, data: Hex, subject: string, value?: bigint): Promise<boolean> {
    try {
      const { receipt } = await journal.submit({ key: intentKey(platform.name, settlement.chainId, address, method, subject), chainId: settlement.chainId, to: address, data, value, label: method, abi, again: true });
      logger.info({ method, subject, tx: receipt.transactionHash, gas: receipt.gasUsed }, `${method} is on chain`);
      metrics.count("demand_transactions_total", { method });
      return true;
    } catch (error) {
      // Somebody else was first, or the header is decided: the next look at the chain says which.
      if (!isKeeperError(error) || !["tx.abandoned", "tx.superseded", "tx.reverted"].includes(error.code)) throw error;
      logger.debug({ method, subject, reason: messageOf(error) }, `${method} was not taken`);
      return false;
    }
  }

  async function execute(step: DemandStep, rows: ReadonlyMap<bigint, DemandRow>): Promise<void> {
    if (step.kind === "ask") return ask(step);
    const row = rows.get(step.id)!;
    const header = options.header(row.headerHash)!;
    if (step.kind !== "answer") return void (await submit(step.kind, encodeFunctionData({ abi, functionName: step.kind, args: [row.id, header] }), String(row.id)));
    const answer = await answerOf(row, header, options.blob(row.headerHash)!, options.domain);
    if (answer) return void (await submit(answer.method, answer.data, String(row.id)));
    logger.warn({ demand: row.id, header: row.headerHash }, "the data that this node holds leads to other roots: it answers nothing");
    unanswerable.add(row.id);
  }

  async function ask({ headerHash, first, count }: Extract<DemandStep, { kind: "ask" }>): Promise<void> {
    const header = options.header(headerHash)!;
    // The base fee may rise by an eighth a block before the demand is mined; what is too much comes back with the bond.
    const value = (bondFor(count, (await settlement.pool.head()).baseFeePerGas) * 3n) / 2n;
    if (value > options.maxBond) return logger.error({ header: headerHash, bond: value, maxBond: options.maxBond }, "data is missing, and demanding it costs more than allowed (OG_MAX_DEMAND_BOND)");
    const { asked } = store.counts(headerHash, signer.address);
    logger.warn({ header: headerHash, first, count, bond: value }, "data is missing: demanding it");
    await submit("ask", encodeFunctionData({ abi, functionName: "ask", args: [header, 1, first, count] }), `${headerHash}:${asked}`, value);
  }

  return {
    async step() {
      await follower.step();
      const rows = store.open(LOOK);
      const views = (await Promise.all(rows.map(view))).filter((item) => item !== null);
      const byId = new Map(rows.map((row) => [row.id, row]));
      for (const step of decideDemands(views, wants(), options.policy)) {
        try {
          await execute(step, byId);
        } catch (error) {
          // One batch's trouble must not hold up the others.
          logger.warn({ step, reason: messageOf(error) }, "a step could not be taken yet");
        }
      }
    },
    async withdraw() {
      const head = await settlement.pool.head();
      const credit = await settlement.client.readContract({ ...contract, functionName: "credit", args: [signer.address] });
      if (credit > 0n) await submit("withdraw", encodeFunctionData({ abi, functionName: "withdraw" }), `${credit}:${head.number}`);
    },
    totals: () => store.totals(),
  };
}
