/** Shows blind signatures to the chain: a LeafCheck of a header whose fault was proved costs its signer, carried by a certificate or not. */
import { type Abi, encodeFunctionData } from "viem";
import { BatchStatus, type ProtocolDomain } from "../../../sdk/protocol/index.ts";
import { iCommitteeAbi } from "../../../types/abi/ICommittee.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import { leafCheckStatement, pick, seatOf, type StatementStore } from "./statements.ts";
import type { FullStore, HeaderRow } from "./store.ts";

/** Epochs back to which signatures of a rejected header are looked for: one in its grace may have signed too. */
const EPOCHS = 3;
const MILD = new Set(["tx.superseded", "tx.abandoned", "tx.reverted", "tx.cancelled", "tx.key_conflict"]);

export interface Punisher {
  step(): Promise<void>;
}

export function createPunisher({ platform, store, statements, domain }: { platform: Platform; store: FullStore; statements: StatementStore; domain: ProtocolDomain }): Punisher {
  const { settlement, signer, journal } = platform;
  const logger = platform.logger.child({ part: "punish" });
  const committee = settlement.deployment.address("Committee");
  const abi = iCommitteeAbi as unknown as Abi;
  const shown = new Set<string>();

  async function show({ hash: headerHash, header }: HeaderRow): Promise<void> {
    for (const epoch of store.recentEpochs(EPOCHS)) {
      const { digest } = leafCheckStatement(headerHash, epoch.epoch, domain);
      const blind = statements.signatures(digest).filter((item) => seatOf(epoch, item.signer) >= 0 && item.signer.toLowerCase() !== signer.address.toLowerCase());
      const quorum = pick(epoch, blind);
      const mark = `${digest}:${quorum.signers}`;
      if (quorum.signers === 0n || shown.has(mark)) continue;
      try {
        const data = encodeFunctionData({ abi, functionName: "slashFalseLeafCheck", args: [header, epoch.epoch, epoch.members, quorum] });
        const key = intentKey(platform.name, settlement.chainId, committee, "slashFalseLeafCheck", mark);
        const { receipt } = await journal.submit({ key, chainId: settlement.chainId, to: committee, data, label: "show blind signatures", abi, again: true });
        logger.warn({ header: headerHash, signers: blind.map((item) => item.signer), tx: receipt.transactionHash }, "blind signatures are shown");
      } catch (error) {
        if (!isKeeperError(error) || !MILD.has(error.code)) throw error;
        logger.debug({ header: headerHash, reason: messageOf(error) }, "the signers have paid already");
      }
      if (shown.size > 10_000) shown.clear();
      shown.add(mark);
    }
  }

  return {
    async step() {
      for (const row of store.headers({ status: BatchStatus.Rejected, limit: 32 })) await show(row);
    },
  };
}
