/** What the committee's work asks of the ledger: what is to be signed, counted, and who sits where. */
import type { Hex } from "viem";
import { BatchStatus } from "../../../sdk/protocol/index.ts";
import type { Store } from "../../storage/index.ts";
import { type Raw, toHeader, WITH_STATUS } from "./rows.ts";
import type { CommitteeEpochRow, HeaderRow } from "./store.ts";
import { fromText } from "./text.ts";

export function committeeQueries(store: Store) {
  return {
    /** Headers of a status about which this node has signed nothing under `epoch` (and nothing that was carried before). */
    unsigned(status: number, kind: string, epoch: bigint, limit: number): HeaderRow[] {
      return store
        .all<Raw>(
          `${WITH_STATUS} WHERE t.status = ?1 AND h.hash NOT IN (SELECT header_hash FROM statements WHERE kind = ?2 AND (carried_at IS NOT NULL OR epoch = ?3))
           ORDER BY h.posted_block LIMIT ?4`,
          status, kind, Number(epoch), limit,
        )
        .map(toHeader);
    },

    /**
     * Decided headers whose Finality nobody has carried yet, as far as this node knows.
     * @param after Block; headers posted up to it are left out.
     */
    undeclared(status: number, after: bigint, limit: number): HeaderRow[] {
      return store
        .all<Raw>(
          `${WITH_STATUS} WHERE t.status = ? AND h.posted_block > ?
           AND h.hash NOT IN (SELECT header_hash FROM statements WHERE kind = 'finality' AND carried_at IS NOT NULL)
           ORDER BY h.posted_block LIMIT ?`,
          status, Number(after), limit,
        )
        .map(toHeader);
    },

    /** Epoch and signers of a header's certificate, the latest word about it. */
    certificate(hash: Hex): { epoch: bigint; signers: bigint } | null {
      const row = store.get<{ detail: string }>(
        `SELECT detail FROM transitions WHERE header_hash = ? AND status = ${BatchStatus.Certified} ORDER BY block DESC, log_index DESC LIMIT 1`, hash,
      );
      if (!row) return null;
      const { committeeEpoch, signers } = fromText(row.detail) as { committeeEpoch: number; signers: bigint };
      return { epoch: BigInt(committeeEpoch), signers };
    },

    /** Final headers with a certificate that are not known to be counted for rewards; oldest first. */
    certifiedFinals(limit: number): { hash: Hex; epoch: bigint }[] {
      return store
        .all<Raw>(
          `${WITH_STATUS} WHERE t.status = ${BatchStatus.Final} AND h.hash NOT IN (SELECT header_hash FROM counted)
           AND h.hash IN (SELECT header_hash FROM transitions WHERE status = ${BatchStatus.Certified}) ORDER BY h.posted_block LIMIT ?`,
          limit,
        )
        .map((row) => ({ hash: row.hash as Hex, epoch: this.certificate(row.hash as Hex)!.epoch }));
    },

    markCounted(hash: Hex): void {
      store.run("INSERT OR IGNORE INTO counted VALUES (?)", hash);
    },

    epoch(epoch: bigint): CommitteeEpochRow | undefined {
      const row = store.get<Raw>("SELECT document FROM committee_epochs WHERE epoch = ?", Number(epoch));
      return row && (fromText(row.document as string) as CommitteeEpochRow);
    },

    /** Block in which the epoch began. */
    epochBlock(epoch: bigint): bigint | undefined {
      const row = store.get<{ block: number }>("SELECT block FROM committee_epochs WHERE epoch = ?", Number(epoch));
      return row && BigInt(row.block);
    },

    /** The newest epochs, newest first. */
    recentEpochs(limit: number): CommitteeEpochRow[] {
      return store.all<Raw>("SELECT document FROM committee_epochs ORDER BY epoch DESC LIMIT ?", limit).map((row) => fromText(row.document as string) as CommitteeEpochRow);
    },

    lastEpoch(): CommitteeEpochRow | undefined {
      const row = store.get<Raw>("SELECT document FROM committee_epochs ORDER BY epoch DESC LIMIT 1");
      return row && (fromText(row.document as string) as CommitteeEpochRow);
    },
  };
}
