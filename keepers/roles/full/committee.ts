/** The committee's work of one node: takes a seat, signs what it checked and saw, exchanges signatures, carries certificates. */
import { type Abi, type Address, type Hex, encodeFunctionData, toHex } from "viem";
import { BatchStatus, type Finality, type ProtocolDomain, slotOf } from "../../../sdk/protocol/index.ts";
import { iCommitteeAbi } from "../../../types/abi/ICommittee.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import { iSettlementInboxAbi } from "../../../types/abi/ISettlementInbox.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import type { Peers } from "./peers.ts";
import { assembleQuorum, DECIDED, finalityStatement, leafCheckStatement, myTurn, pick, seatOf, type Statement, STATEMENT_KINDS, type StatementStore } from "./statements.ts";
import type { CommitteeEpochRow, FullStore, HeaderRow } from "./store.ts";

export interface CommitteeDeps {
  platform: Platform;
  store: FullStore;
  statements: StatementStore;
  peers: Peers;
  domain: ProtocolDomain;
  nodeId: () => Hex;
  leaderMs: number;
  /** Seats at which the first epoch is started; later ones start by time. */
  firstCommittee: number;
}

/** Ends of an intent that say "somebody else was first" or "not yet": looked at again from the chain's state. */
const MILD = new Set(["tx.superseded", "tx.abandoned"]);

export type CommitteeWork = ReturnType<typeof committeeWork>;

export function committeeWork({ platform, store, statements, peers, domain, nodeId, leaderMs, firstCommittee }: CommitteeDeps) {
  const { settlement, payment, signer, journal, clock, metrics } = platform;
  const logger = platform.logger.child({ part: "committee" });
  const committee = settlement.deployment.address("Committee");
  const contract = settlement.deployment.address("InferenceSettlement");
  const inbox = payment?.deployment.has("SettlementInbox") ? payment.deployment.address("SettlementInbox") : null;
  const committeeAbi = iCommitteeAbi as unknown as Abi;
  const seatedSince = clock.now();
  const sent = new Set<string>();
  const times = new Map<bigint, bigint>();
  /** Headers posted up to this block are older than half a slot's life. */
  let tooOld = -1n;

  const read = <const F extends "currentEpoch" | "seats" | "params">(functionName: F) => settlement.client.readContract({ address: committee, abi: iCommitteeAbi, functionName });

  async function submit(method: string, to: Address, abi: Abi, args: readonly unknown[], subject: string): Promise<boolean> {
    const key = intentKey(platform.name, settlement.chainId, to, method, subject);
    try {
      const data = encodeFunctionData({ abi, functionName: method, args });
      const { receipt } = await journal.submit({ key, chainId: settlement.chainId, to, data, label: method, abi, again: true });
      logger.info({ method, subject, tx: receipt.transactionHash, gas: receipt.gasUsed }, `${method} is on chain`);
      return true;
    } catch (error) {
      if (!isKeeperError(error) || !MILD.has(error.code)) throw error;
      logger.debug({ method, subject, reason: messageOf(error) }, `${method} was not needed`);
      return false;
    }
  }

  async function sign(statement: Omit<Statement, "signedAt">): Promise<void> {
    if (statements.has(statement.digest)) return;
    const signature = await signer.signDigest(statement.digest);
    statements.sign(statement, { digest: statement.digest, signer: signer.address, signature }, clock.now());
    metrics.count("statements_signed_total", { kind: statement.kind });
    logger.info({ kind: statement.kind, header: statement.headerHash, epoch: statement.epoch }, "statement signed");
  }

  /** Takes a seat, and starts the next epoch when its time has come. */
  async function keepSeat(): Promise<void> {
    const id = nodeId();
    const [seats, current, params] = await Promise.all([read("seats"), read("currentEpoch"), read("params")]);
    const seated = (seats as readonly Hex[]).includes(id);
    if (!seated) return void (await submit("join", committee, committeeAbi, [id], `${id}:${current}`));
    const head = await settlement.pool.head();
    const info = current === 0n ? null : await settlement.client.readContract({ address: committee, abi: iCommitteeAbi, functionName: "epochInfo", args: [current as bigint] });
    const { epochLength } = params as { epochLength: bigint };
    const due = info === null ? (seats as readonly Hex[]).length >= firstCommittee : head.timestamp >= info.start + epochLength;
    if (!due) return;
    // The seats take turns; a late one costs nothing, since the contract takes only the first.
    const lateMs = info === null ? clock.now() - seatedSince : Number(head.timestamp - info.start - epochLength) * 1000;
    const seat = (seats as readonly Hex[]).indexOf(id);
    if (myTurn(toHex(current as bigint, { size: 32 }), seat, seats.length as number, lateMs, leaderMs)) await submit("rotate", committee, committeeAbi, [], `after:${current}`);
  }

  /** LeafChecks for batches that we hold and found right; Finality for what the settlement chain has decided for good. */
  async function signDue(): Promise<void> {
    const epoch = store.lastEpoch();
    if (seatOf(epoch, signer.address) >= 0) {
      for (const status of [BatchStatus.Posted, BatchStatus.Certified]) {
        for (const { hash } of store.unsigned(status, "leafCheck", epoch!.epoch, 200)) {
          // A certificate of another epoch cannot be joined.
          if (status === BatchStatus.Certified && store.certificate(hash)?.epoch !== epoch!.epoch) continue;
          if (store.check(hash)?.verdict === "valid") await sign(leafCheckStatement(hash, epoch!.epoch, domain));
        }
      }
    }
    await signFinality();
  }

  async function signFinality(): Promise<void> {
    if (!inbox || !payment) return;
    const inboxEpoch = await payment.client.readContract({ address: inbox, abi: iSettlementInboxAbi, functionName: "currentEpoch" });
    const epoch = store.epoch(inboxEpoch);
    if (!epoch || seatOf(epoch, signer.address) < 0) return;
    const head = await settlement.pool.head();
    const { certificateLife } = (await read("params")) as { certificateLife: bigint };
    for (const status of DECIDED) {
      for (const row of store.undeclared(status, tooOld, 200)) {
        if (head.number - row.statusBlock + 1n < BigInt(settlement.confirmations)) continue;
        // While it may be reposted, "Rejected" is not the last word, and saying so would be slashable.
        if (status === BatchStatus.Rejected && head.timestamp <= (await decidedAtOf(row)) + (await settlementParams()).repostTime) continue;
        // Its slot will take another header: it is vouched for in the first half of the slot's life only, later words would be slashable.
        if (head.timestamp > (await timeOf(row.postedBlock)) + (await settlementParams()).slotLife / 2n) {
          if (row.postedBlock > tooOld) tooOld = row.postedBlock;
          continue;
        }
        const settledAt = await settledAtOf(row, head.timestamp, certificateLife);
        const known = statements.about(row.hash).some(({ kind, epoch: signed, message }) => kind === "finality" && signed === epoch.epoch && (message as Finality).settledAt === settledAt);
        if (known || !(await holds(row, head.number))) continue;
        await sign(finalityStatement({
          paymentChainId: BigInt(payment.chainId), inbox, committeeEpoch: epoch.epoch, headerHash: row.hash, slot: slotOf(row.header, row.hash), channelsRoot: row.header.channelsRoot,
          status: row.status, settledAt, validUntil: settledAt + certificateLife,
        }, domain));
      }
    }
  }

  /**
   * The statement's time: the block of the decision, or so many half lives of a certificate later, when nobody carried it
   * in time. Every member comes to the same bytes: all of them are the chain's, none is this node's clock.
   */
  async function settledAtOf(row: HeaderRow, now: bigint, certificateLife: bigint): Promise<bigint> {
    const decided = await decidedAtOf(row);
    const half = certificateLife / 2n || 1n;
    return decided + ((now - decided) / half) * half;
  }

  const decidedAtOf = ({ statusBlock }: HeaderRow) => timeOf(statusBlock);

  async function timeOf(blockNumber: bigint): Promise<bigint> {
    let time = times.get(blockNumber);
    if (time === undefined) {
      time = (await settlement.moneyClient.getBlock({ blockNumber })).timestamp;
      if (times.size > 10_000) times.clear();
      times.set(blockNumber, time);
    }
    return time;
  }

  const readParams = () => settlement.moneyClient.readContract({ address: contract, abi: iInferenceSettlementAbi, functionName: "params" });
  let params: ReturnType<typeof readParams> | undefined;
  function settlementParams() {
    params ??= readParams();
    return params;
  }

  /** The one statement that moves money: two endpoints must show the status. */
  async function holds({ header, status }: HeaderRow, blockNumber: bigint): Promise<boolean> {
    return (await settlement.moneyClient.readContract({ address: contract, abi: iInferenceSettlementAbi, functionName: "status", args: [header], blockNumber })) === status;
  }

  /** Sends our signatures to the others, and asks for theirs where a quorum is missing. */
  async function exchange(): Promise<void> {
    for (const kind of STATEMENT_KINDS) {
      for (const statement of statements.open(kind)) {
        const epoch = store.epoch(statement.epoch);
        if (!epoch) continue;
        const others = await peers.of(epoch, nodeId());
        const held = statements.signatures(statement.digest);
        const own = held.filter((item) => item.signer.toLowerCase() === signer.address.toLowerCase());
        await Promise.all(
          others.map(async (peer) => {
            const mark = `${peer.nodeId}:${statement.digest}`;
            if (!sent.has(mark) && (await peer.send(own))) remember(mark);
          }),
        );
        if (assembleQuorum(epoch, statements.signatures(statement.digest))) continue;
        for (const peer of others) {
          for (const item of await peer.fetch(statement.digest)) {
            await statements.receive(item, (who) => seatOf(epoch, who) >= 0, clock.now()).catch(() => {});
          }
        }
      }
    }
  }

  function remember(mark: string): void {
    if (sent.size > 50_000) sent.clear();
    sent.add(mark);
  }

  /** Posted -> Certified, with everybody's LeafChecks; who came late joins. */
  async function carryLeafChecks(): Promise<void> {
    for (const statement of statements.open("leafCheck")) {
      const row = store.header(statement.headerHash);
      if (!row) continue;
      if (row.status === BatchStatus.Certified && (await joinLate(row, statement))) continue;
      if (row.status !== BatchStatus.Posted) {
        statements.carried(statement.kind, statement.headerHash, clock.now());
        continue;
      }
      const ready = quorumFor(statement);
      if (!ready) continue;
      const args = [row.header, statement.epoch, ready.epoch.members, ready.quorum];
      await submit("certify", contract, iInferenceSettlementAbi as unknown as Abi, args, statement.digest);
    }
  }

  /** Adds to a certificate the signatures that it lacks, while this node's is among them: unpaid otherwise. @returns Whether there is more to wait for. */
  async function joinLate({ hash, header }: HeaderRow, statement: Statement): Promise<boolean> {
    const certificate = store.certificate(hash);
    const epoch = store.epoch(statement.epoch);
    const seat = seatOf(epoch, signer.address);
    const missing = certificate?.epoch === statement.epoch && seat >= 0 && ((certificate.signers >> BigInt(seat)) & 1n) === 0n;
    if (!epoch || !missing) return false;
    const quorum = pick(epoch, statements.signatures(statement.digest), certificate.signers);
    const turn = myTurn(statement.digest, seat, epoch.members.length, clock.now() - statement.signedAt, leaderMs);
    if (turn) await submit("certify", contract, iInferenceSettlementAbi as unknown as Abi, [header, statement.epoch, epoch.members, quorum], `${statement.digest}:${quorum.signers}`);
    return store.lastEpoch()!.epoch <= statement.epoch + 1n;
  }

  function quorumFor(statement: Statement): { epoch: CommitteeEpochRow; quorum: NonNullable<ReturnType<typeof assembleQuorum>> } | null {
    const epoch = store.epoch(statement.epoch);
    const quorum = epoch && assembleQuorum(epoch, statements.signatures(statement.digest));
    if (!epoch || !quorum) return null;
    return myTurn(statement.digest, seatOf(epoch, signer.address), epoch.members.length, clock.now() - statement.signedAt, leaderMs) ? { epoch, quorum } : null;
  }

  /** Posted with full bond, or Certified -> Final, once both clocks have run. */
  async function finalizeDue(): Promise<void> {
    const head = await settlement.pool.head();
    for (const status of [BatchStatus.Certified, BatchStatus.Posted]) {
      for (const row of store.headersIn(status, 100)) {
        const [time, block] = await settlement.client.readContract({ address: contract, abi: iInferenceSettlementAbi, functionName: "finalizableAt", args: [row.header] });
        if (head.timestamp < time || head.number < block) continue;
        const batch = await settlement.client.readContract({ address: contract, abi: iInferenceSettlementAbi, functionName: "batch", args: [row.header] });
        if (batch.openDemands > 0 || (status === BatchStatus.Posted && !batch.fullBond)) continue;
        const epoch = store.lastEpoch();
        const waited = Number(head.timestamp - time) * 1000;
        const seat = seatOf(epoch, signer.address);
        // Anyone may finalize; members take turns, everybody else waits for all of them.
        const turn = seat >= 0 ? myTurn(row.hash, seat, epoch!.members.length, waited, leaderMs) : waited > (epoch?.members.length ?? 0) * leaderMs;
        if (turn) await submit("finalize", contract, iInferenceSettlementAbi as unknown as Abi, [row.header], row.hash);
      }
    }
  }

  return { keepSeat, sign, signDue, exchange, carryLeafChecks, finalizeDue, quorumFor };
}
