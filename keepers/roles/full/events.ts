/** Logs of settlement and committee into the ledger's rows. */
import { type Abi, type Address, type Hex, decodeEventLog } from "viem";
import { type BatchHeader, BatchStatus } from "../../../sdk/protocol/index.ts";
import { iCommitteeAbi } from "../../../types/abi/ICommittee.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import type { RpcLog } from "../../chain/index.ts";
import type { CommitteeEpochRow, FullStore, HeaderRow, Transition } from "./store.ts";

export type LedgerChange =
  | { kind: "header"; row: Omit<HeaderRow, "status" | "statusBlock"> }
  | { kind: "transition"; transition: Transition }
  | { kind: "epoch"; block: bigint; epoch: CommitteeEpochRow };

interface Posted {
  headerHash: Hex;
  fullBond: boolean;
  header: BatchHeader;
}

interface Settled {
  headerHash: Hex;
  nodeId: Hex;
  nonce: bigint;
  channelsRoot: Hex;
}

const NOTHING = `0x${"00".repeat(32)}` as const;

/** What the event of an individual settlement says of its header; the rest stands in the call and is filled in from there. */
function partialHeader({ nodeId, nonce, channelsRoot }: Settled): BatchHeader {
  return {
    nodeId, nonce, channelsRoot, keyId: NOTHING, prevHeader: NOTHING, receiptsRoot: NOTHING, count: 0, channels: 0, totalCharge: 0n,
    minIssuedAt: 0n, maxIssuedAt: 0n, blobId: NOTHING, contentHash: NOTHING, format: 0,
  };
}

/** Pure: what one log says; null for logs that the ledger does not keep. */
export function readLog(log: RpcLog, addresses: { settlement: Address; committee: Address | null }): LedgerChange[] {
  const from = log.address.toLowerCase();
  const abi = from === addresses.settlement.toLowerCase() ? iInferenceSettlementAbi : from === addresses.committee?.toLowerCase() ? iCommitteeAbi : null;
  if (!abi) return [];
  let event: { eventName?: string; args: unknown };
  try {
    event = decodeEventLog({ abi: abi as unknown as Abi, topics: log.topics as [Hex, ...Hex[]], data: log.data }) as typeof event;
  } catch {
    return []; // an event of a newer contract
  }
  const block = BigInt(log.blockNumber);
  const at = { block, logIndex: Number(log.logIndex), txHash: log.transactionHash };
  const to = (status: number, detail?: object): LedgerChange[] => [
    { kind: "transition", transition: { headerHash: (event.args as { headerHash: Hex }).headerHash, status, detail, ...at } },
  ];
  switch (event.eventName) {
    case "HeaderPosted": {
      const { headerHash, fullBond, header } = event.args as Posted;
      const kind = /^0x0*$/.test(header.blobId) ? "settle" : "batch";
      const row = { hash: headerHash, kind, header, fullBond, postedBlock: block, txHash: log.transactionHash } as const;
      return [{ kind: "header", row }, ...to(BatchStatus.Posted)];
    }
    case "HeaderSettled":
    case "StretchSettled": {
      const settled = event.args as Settled;
      const row = { hash: settled.headerHash, kind: "settle", header: partialHeader(settled), fullBond: false, postedBlock: block, txHash: log.transactionHash } as const;
      return [{ kind: "header", row }, ...to(BatchStatus.Final)];
    }
    case "BatchCertified": {
      const { committeeEpoch, signers, signedStake } = event.args as { committeeEpoch: number; signers: bigint; signedStake: bigint };
      return to(BatchStatus.Certified, { committeeEpoch, signers, signedStake });
    }
    case "BatchFinalized":
      return to(BatchStatus.Final);
    case "BatchRejected": {
      const { status, kind: fault, reporter } = event.args as { status: number; kind: number; reporter: Address };
      return to(status, { fault, reporter });
    }
    case "BatchReposted": {
      const { oldHeaderHash, newHeaderHash } = event.args as { oldHeaderHash: Hex; newHeaderHash: Hex };
      return [{ kind: "transition", transition: { headerHash: oldHeaderHash, status: BatchStatus.Reposted, detail: { newHeaderHash }, ...at } }];
    }
    case "CommitteeRotated": {
      const { epoch, members, nodeIds } = event.args as { epoch: bigint; members: { signer: Hex; stake: bigint }[]; nodeIds: Hex[] };
      return [{ kind: "epoch", block, epoch: { epoch, members: members.map(({ signer, stake }) => ({ signer, stake })), nodeIds } }];
    }
    default:
      return [];
  }
}

/** Inside of the follower's transaction. */
export function applyChanges(store: FullStore, changes: readonly LedgerChange[]): void {
  for (const change of changes) {
    if (change.kind === "header") store.addHeader(change.row);
    else if (change.kind === "transition") store.addTransition(change.transition);
    else store.addEpoch(change.block, change.epoch);
  }
}
