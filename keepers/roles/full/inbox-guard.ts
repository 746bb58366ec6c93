/** Reads what the payment chain was told and shows to the settlement chain what it never said: false certificates and false hand-overs. */
import { type Abi, type Hex, decodeFunctionData, encodeFunctionData, parseEventLogs, zeroHash } from "viem";
import type { BatchHeader, CommitteeMember, Finality, Rotation } from "../../../sdk/protocol/index.ts";
import { iCommitteeAbi } from "../../../types/abi/ICommittee.ts";
import { iSettlementInboxAbi } from "../../../types/abi/ISettlementInbox.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { kv } from "../../storage/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import type { Quorum } from "./statements.ts";
import type { FullStore } from "./store.ts";

/** Blocks in one question, and those that are read again because a reorganisation may have changed them. */
const CHUNK = 2_000n;
const OVERLAP = 64n;
const MILD = new Set(["tx.superseded", "tx.abandoned", "tx.reverted", "tx.cancelled", "tx.key_conflict"]);

/** A call that shows the statement to Committee. */
interface Charge {
  method: "slashFalseFinality" | "slashFalseRotation";
  args: readonly unknown[];
}

const NO_HEADER: BatchHeader = {
  nodeId: zeroHash, keyId: zeroHash, nonce: 0n, prevHeader: zeroHash, receiptsRoot: zeroHash, channelsRoot: zeroHash, count: 0, channels: 0, totalCharge: 0n, minIssuedAt: 0n, maxIssuedAt: 0n,
  blobId: zeroHash, contentHash: zeroHash, format: 0,
};

/** Pure: how the statement in a call to the inbox would be shown. Null for other calls. @param headerOf What a header's hash stands for, if it is known. */
export function chargeOf(input: Hex, headerOf: (hash: Hex) => BatchHeader | undefined): Charge | null {
  try {
    const { functionName, args } = decodeFunctionData({ abi: iSettlementInboxAbi as unknown as Abi, data: input });
    if (functionName === "record") {
      const { finality, members, quorum } = args![0] as { finality: Finality; members: CommitteeMember[]; quorum: Quorum };
      return { method: "slashFalseFinality", args: [finality, headerOf(finality.headerHash) ?? NO_HEADER, members, quorum] };
    }
    if (functionName === "rotate") {
      const [rotation, , members, quorum] = args as [Rotation, CommitteeMember[], CommitteeMember[], Quorum];
      return { method: "slashFalseRotation", args: [rotation, members, quorum] };
    }
  } catch {
    // Another contract in between: its calldata is not the inbox's.
  }
  return null;
}

export interface InboxGuard {
  step(): Promise<void>;
}

export function createInboxGuard({ platform, store }: { platform: Platform; store: FullStore }): InboxGuard {
  const { settlement, payment, signer, journal, metrics } = platform;
  if (!payment?.deployment.has("SettlementInbox")) return { step: async () => {} };
  const logger = platform.logger.child({ part: "guard" });
  const facts = kv(platform.store);
  const inbox = payment.deployment.address("SettlementInbox");
  const committee = settlement.deployment.address("Committee");
  const abi = iCommitteeAbi as unknown as Abi;
  const judged = new Set<Hex>();

  async function judge(hash: Hex): Promise<void> {
    const { input } = await payment!.client.getTransaction({ hash });
    const charge = chargeOf(input, (headerHash) => store.header(headerHash)?.header);
    if (!charge) return;
    const data = encodeFunctionData({ abi, functionName: charge.method, args: charge.args });
    // The contract takes false statements only: whether it would is the whole judgement.
    const holds = await settlement.client.call({ account: signer.address, to: committee, data }).then(() => true, () => false);
    if (!holds) return;
    logger.error({ tx: hash, method: charge.method }, "the payment chain was told what the settlement chain never said");
    metrics.count("false_statements_total", { kind: charge.method });
    try {
      await journal.submit({ key: intentKey(platform.name, settlement.chainId, committee, charge.method, hash), chainId: settlement.chainId, to: committee, data, label: charge.method, abi, again: true });
    } catch (error) {
      if (!isKeeperError(error) || !MILD.has(error.code)) throw error;
      logger.info({ tx: hash, reason: messageOf(error) }, "the signers have paid already");
    }
  }

  return {
    async step() {
      const head = (await payment.pool.head()).number;
      const read = BigInt(facts.get("guard.block") ?? payment.deployment.startBlock);
      const from = read > OVERLAP ? read - OVERLAP : 0n;
      const to = from + CHUNK < head ? from + CHUNK : head;
      const logs = parseEventLogs({ abi: iSettlementInboxAbi, logs: await payment.client.getLogs({ address: inbox, fromBlock: from, toBlock: to }) });
      for (const { eventName, transactionHash } of logs) {
        const told = eventName === "VerdictRecorded" || eventName === "CertificateConflicted" || eventName === "Beaten" || eventName === "EpochStarted";
        if (!told || judged.has(transactionHash)) continue;
        await judge(transactionHash);
        if (judged.size > 10_000) judged.clear();
        judged.add(transactionHash);
      }
      facts.set("guard.block", to.toString());
    },
  };
}
