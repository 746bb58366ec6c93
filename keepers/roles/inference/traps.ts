/**
 * Plants headers with a fault (contracts/interfaces/ITraps.sol), so that full nodes do not sign what they have not looked at. By chance, at most
 * once a committee epoch, at a time of its own, among this node's real headers; told when the header is decided. docs/operator/traps.md.
 *
 * Each arrow of a trap is one committed transaction of the database, and every effect follows its commit and may be repeated: see TrapState.
 */
import { type Abi, type Address, type Hex, bytesToHex, decodeFunctionData, encodeAbiParameters, encodeFunctionData, erc20Abi, getAbiItem, keccak256, parseEventLogs, zeroHash } from "viem";
import { BatchStatus, FaultKind, type ProtocolDomain, Role } from "../../../sdk/protocol/index.ts";
import { iCommitteeAbi } from "../../../types/abi/ICommittee.ts";
import { iFaultCourtAbi } from "../../../types/abi/IFaultCourt.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import { iTrapsAbi } from "../../../types/abi/ITraps.ts";
import type { Deployment } from "../../config/index.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { type PolicyRule, rulesFor } from "../../signer/index.ts";
import { intentKey } from "../../tx/index.ts";
import { candidates, openRows } from "../full/evidence.ts";
import { createProsecutor } from "../full/prosecute.ts";
import { bondToken } from "../node/index.ts";
import type { Platform } from "../platform.ts";
import type { ReceiptKey } from "./key.ts";
import type { InferenceLedger, StoredHeader } from "./ledger.ts";
import type { Plan } from "./plan.ts";
import { type TrapOffer, makeTrapBatch } from "./trapBatch.ts";
import { type TrapRow, trapStore } from "./trapStore.ts";

export interface TrapOptions {
  /** For the finder, smallest bond unit; as much again is the surety. 0: no traps. */
  prize: bigint;
  /** Probability for each committee epoch, percent. */
  chance: number;
}

/** What the settlement pass asks. */
export interface TrapWork {
  /** A trap's batch, when one is due and this node can pay for it; `keep` stores what it is, in the transaction that stores the header. */
  due(): Promise<{ plan: Plan; signer: ReceiptKey; keep(stored: Omit<StoredHeader, "state">): void } | undefined>;
  /** Before a signed header is posted: plants, if it is a trap. @returns False when there is no such header any more. */
  mayPost(stored: StoredHeader): Promise<boolean>;
  isTrap(stored: Pick<StoredHeader, "nonce" | "hash">): boolean;
  /** Draws for the epoch, and tells about traps that are decided. */
  step(): Promise<void>;
}

export interface TrapDeps {
  platform: Platform;
  ledger: InferenceLedger;
  domain: ProtocolDomain;
  options: TrapOptions;
  offers: readonly TrapOffer[];
  key(): ReceiptKey & { validFrom: bigint };
}

/** Of the window, from its end: then the planter finds its own trap. */
const LAST_PART = 4n;

export function trapRules(deployment: Deployment): PolicyRule[] {
  return [
    ...rulesFor(deployment.chainId, deployment.address("Traps"), iTrapsAbi as unknown as Abi, ["plant", "reveal"]),
    ...rulesFor(deployment.chainId, deployment.address("FaultCourt"), iFaultCourtAbi as unknown as Abi, ["commit", "prove"]),
  ];
}

export function createTraps({ platform, ledger, domain, options, offers, key }: TrapDeps): TrapWork {
  const { settlement, signer, journal, clock, metrics } = platform;
  const { client, deployment, chainId } = settlement;
  const log = platform.logger.child({ part: "traps" });
  const traps = { address: deployment.address("Traps"), abi: iTrapsAbi } as const;
  const court = deployment.address("FaultCourt");
  const committee = { address: deployment.address("Committee"), abi: iCommitteeAbi } as const;
  const registry = { address: deployment.address("NodeRegistry"), abi: iNodeRegistryAbi } as const;
  const contract = { address: domain.verifyingContract, abi: iInferenceSettlementAbi } as const;
  const rows = trapStore(platform.store);
  const prosecute = createProsecutor({ ...platform, logger: log });
  let maxAge: bigint | undefined;

  const end = (row: TrapRow, outcome: string) => {
    metrics.count("traps_total", { outcome });
    log.info({ epoch: row.epoch, header: row.planted?.hash, outcome }, "a trap is over");
  };

  /** Why none can be planted now; undefined when one can. */
  async function hindrance(nodeId: Hex, totalCharge: bigint): Promise<string | undefined> {
    const token = bondToken(deployment);
    if (!token) return "the deployment names no bond token";
    const [{ minPrize }, balance, bond, least, lock] = await Promise.all([
      client.readContract({ ...traps, functionName: "params" }), client.readContract({ address: token, abi: erc20Abi, functionName: "balanceOf", args: [signer.address] }),
      client.readContract({ ...registry, functionName: "bond", args: [nodeId] }), client.readContract({ ...registry, functionName: "minBond", args: [Role.Inference] }),
      client.readContract({ ...contract, functionName: "lockOf", args: [totalCharge, false] }),
    ]);
    if (options.prize < minPrize) return `OG_TRAP_PRIZE is ${options.prize}, and the contract takes none below ${minPrize}`;
    if (balance < 2n * options.prize) return `the operator has ${balance} of the ${2n * options.prize} bond tokens that prize and surety take`;
    // The lock is lost for sure; what is left must carry the node, and a header of real receipts.
    if (bond.free < least + 2n * lock) return `the free bond of ${bond.free} would not leave ${least} for the node and ${lock} for its next header`;
    return undefined;
  }

  async function send(method: "plant" | "reveal", args: readonly unknown[], subject: string) {
    const data = encodeFunctionData({ abi: iTrapsAbi as unknown as Abi, functionName: method, args });
    return journal.submit({ key: intentKey(platform.name, chainId, traps.address, method, subject), chainId, to: traps.address, data, label: `trap ${method}`, abi: iTrapsAbi as unknown as Abi, again: true });
  }

  async function approve(amount: bigint, subject: string): Promise<void> {
    const token = bondToken(deployment)!;
    if ((await client.readContract({ address: token, abi: erc20Abi, functionName: "allowance", args: [signer.address, traps.address] })) >= amount) return;
    const data = encodeFunctionData({ abi: erc20Abi, functionName: "approve", args: [traps.address, amount] });
    await journal.submit({ key: intentKey(platform.name, chainId, token, "approve", subject), chainId, to: token, data, label: "approve trap", again: true });
  }

  const onChain = async (commitment: Hex): Promise<boolean> => BigInt((await client.readContract({ ...traps, functionName: "trap", args: [commitment] })).planter) !== 0n;

  /** Its header was never sent: header, receipts and trap go together, and the nonce is free. */
  function drop(row: TrapRow, stored: StoredHeader, state: "dropped" | "lost"): false {
    rows.transaction(() => {
      ledger.removeUnsent(stored.nonce);
      rows.set(row.epoch, state);
    });
    end(row, state);
    return false;
  }

  /** Who proved the fault, with what the call showed; null where nobody did, or not in a call of its own. */
  async function found(stored: StoredHeader): Promise<{ finder: Address; opening: { kind: number; evidenceHash: Hex; salt: Hex } } | null> {
    const { postedBlock } = await client.readContract({ ...contract, functionName: "batch", args: [stored.header] });
    const event = getAbiItem({ abi: iFaultCourtAbi, name: "FaultProved" });
    const [proved] = await client.getLogs({ address: court, event, args: { headerHash: stored.hash }, strict: true, fromBlock: BigInt(postedBlock), toBlock: "latest" });
    if (!proved) return null;
    const { input } = await client.getTransaction({ hash: proved.transactionHash });
    try {
      const { functionName, args } = decodeFunctionData({ abi: iFaultCourtAbi, data: input });
      if (functionName === "prove") return { finder: proved.args.reporter, opening: { kind: args[1], evidenceHash: keccak256(args[2]), salt: args[3] } };
    } catch {
      // Not a call of the court.
    }
    log.error({ header: stored.hash, tx: proved.transactionHash }, "the trap was found through another contract: what opens its report is not in the call, so the surety is lost");
    return null;
  }

  async function findItself(row: TrapRow, stored: StoredHeader): Promise<void> {
    const { fault, leaf } = row.planted!;
    const entries = ledger.receiptsOf(stored.nonce);
    const book = ledger.bookOf(entries.map(({ receipt }) => receipt.termsHash));
    const [report] = await candidates({ kind: fault, index: leaf }, stored.header, async (wanted) => ({ ...openRows(entries, stored.stretches, wanted, domain), book }));
    if (report) await prosecute(stored, report);
  }

  async function tell(row: TrapRow, stored: StoredHeader): Promise<void> {
    const { salt, commitment } = row.planted!;
    const report = await found(stored);
    const none = { kind: FaultKind.None, evidenceHash: zeroHash, salt: zeroHash };
    try {
      const { receipt } = await send("reveal", [stored.header, salt, report?.finder ?? signer.address, report?.opening ?? none], commitment);
      const [told] = parseEventLogs({ abi: iTrapsAbi, logs: receipt.logs as never }).filter(({ eventName }) => eventName === "TrapFound" || eventName === "TrapReturned" || eventName === "TrapForfeited");
      rows.set(row.epoch, "told");
      end(row, told?.eventName === "TrapFound" ? (report!.finder.toLowerCase() === signer.address.toLowerCase() ? "found-by-itself" : "found") : told?.eventName === "TrapReturned" ? "returned" : "forfeited");
    } catch (error) {
      if (!isKeeperError(error) || error.family === "retryable" || (await onChain(commitment))) throw error;
      // Somebody called `forfeit`: its time was over.
      rows.set(row.epoch, "told");
      end(row, "forfeited");
    }
  }

  async function drawFor(): Promise<void> {
    const epoch = await client.readContract({ ...committee, functionName: "currentEpoch" });
    if (epoch === 0n || rows.of(epoch)) return;
    const [{ start }, { epochLength }] = await Promise.all([client.readContract({ ...committee, functionName: "epochInfo", args: [epoch] }), client.readContract({ ...committee, functionName: "params" })]);
    const [chance, when] = [BigInt(bytesToHex(clock.randomBytes(4))), BigInt(bytesToHex(clock.randomBytes(4)))];
    const yes = chance * 100n < BigInt(options.chance) << 32n;
    rows.draw(epoch, yes ? "due" : "none", start + ((epochLength * when) >> 32n));
  }

  async function look(row: TrapRow): Promise<void> {
    const stored = ledger.header(row.planted!.nonce);
    if (!stored || stored.state === "signed") return; // the settlement pass posts it
    const [status, head] = await Promise.all([client.readContract({ ...contract, functionName: "status", args: [stored.header] }), settlement.pool.head()]);
    if (status === BatchStatus.Rejected || status === BatchStatus.RejectedNoFault || status === BatchStatus.Final) return tell(row, stored);
    if (status !== BatchStatus.Posted && status !== BatchStatus.Certified) return;
    const [[time], { postedAt }] = await Promise.all([client.readContract({ ...contract, functionName: "finalizableAt", args: [stored.header] }), client.readContract({ ...contract, functionName: "batch", args: [stored.header] })]);
    if (head.timestamp >= time - (time - BigInt(postedAt)) / LAST_PART) await findItself(row, stored);
  }

  return {
    isTrap: ({ nonce, hash }) => rows.ofHeader(nonce, hash) !== undefined,
    async due() {
      const [epoch, head] = await Promise.all([client.readContract({ ...committee, functionName: "currentEpoch" }), settlement.pool.head()]);
      const row = rows.of(epoch);
      if (row?.state !== "due" || head.timestamp < row.dueAt || offers.length === 0) return undefined;
      const signing = key();
      const { receipts, fault, leaf } = await makeTrapBatch(offers, signing, domain, clock);
      const reason = await hindrance(signing.nodeId, receipts.reduce((sum, { receipt }) => sum + receipt.charge, 0n));
      if (reason) {
        rows.set(epoch, "dropped");
        log.warn({ epoch, reason }, "a trap was drawn for this epoch, and is not planted");
        end(row, "dropped");
        return undefined;
      }
      return {
        plan: { kind: "batch", receipts }, signer: signing,
        keep({ nonce, hash }) {
          const salt = bytesToHex(clock.randomBytes(32));
          const commitment = keccak256(encodeAbiParameters([{ type: "address" }, { type: "bytes32" }, { type: "bytes32" }], [signer.address, hash, salt]));
          for (const receipt of receipts) ledger.add(receipt);
          rows.sign(epoch, { nonce, hash, salt, commitment, prize: options.prize, fault, leaf });
        },
      };
    },

    async mayPost(stored) {
      const row = rows.ofHeader(stored.nonce, stored.hash);
      if (row?.state !== "signed" && row?.state !== "planted") return true;
      const { commitment, prize } = row.planted!;
      maxAge ??= (await client.readContract({ ...contract, functionName: "params" })).maxAge;
      const { timestamp } = await settlement.pool.head();
      if (row.state === "planted") {
        const tried = journal.status(intentKey("inference", chainId, contract.address, "postBatch", stored.hash)) !== null;
        if (tried || timestamp <= stored.header.minIssuedAt + maxAge) return true;
        // The signature has never left this process, and cannot serve any more.
        log.error({ epoch: row.epoch, prize }, "a planted trap was not posted in time: prize and surety are lost");
        return drop(row, stored, "lost");
      }
      if (!(await onChain(commitment))) {
        // What waited too long may be refused when it is posted, and the money would be gone.
        if (timestamp > stored.header.minIssuedAt + maxAge / 2n) {
          log.warn({ epoch: row.epoch }, "a trap is not planted: it waited for half of the time in which it can be posted");
          return drop(row, stored, "dropped");
        }
        try {
          await approve(2n * prize, commitment);
          await send("plant", [commitment, prize], commitment);
        } catch (error) {
          if (!isKeeperError(error) || error.family === "retryable" || (await onChain(commitment))) throw error;
          log.warn({ epoch: row.epoch, reason: messageOf(error) }, "a trap is not planted: the chain does not take it");
          return drop(row, stored, "dropped");
        }
      }
      rows.set(row.epoch, "planted");
      metrics.count("traps_planted_total");
      log.info({ epoch: row.epoch, prize }, "a trap is planted; its header follows");
      return true;
    },

    async step() {
      metrics.gauge("traps_open", rows.in("signed").length + rows.in("planted").length);
      await drawFor();
      for (const row of rows.in("planted")) await look(row);
    },
  };
}
