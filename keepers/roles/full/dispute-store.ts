/** Opened answers in the full node's database. They hold payers' inputs: only what is wrong is kept, until it is decided. */
import type { Hex } from "viem";
import type { WordOpening } from "../../../sdk/receipts/output.ts";
import type { Store } from "../../storage/index.ts";
import type { OutputVerdict } from "./disputes.ts";

export interface Dispute {
  digest: Hex;
  opening: WordOpening;
  verdict: OutputVerdict;
  /** The proof that was made, and for which header. */
  headerHash: Hex | null;
  evidence: Hex | null;
}

type Row = { digest: Hex; opening: string | null; verdict: OutputVerdict; header_hash: Hex | null; evidence: Hex | null };
const toDispute = (row: Row): Dispute => ({ digest: row.digest, opening: JSON.parse(row.opening!) as WordOpening, verdict: row.verdict, headerHash: row.header_hash, evidence: row.evidence });

export function disputeStore(store: Store) {
  store.migrate({
    component: "disputes",
    steps: [
      `CREATE TABLE disputes (
         digest TEXT PRIMARY KEY, opening TEXT, verdict TEXT NOT NULL, state TEXT NOT NULL, received_at INTEGER NOT NULL, header_hash TEXT, evidence TEXT
       ) STRICT, WITHOUT ROWID;
       CREATE INDEX disputes_state ON disputes (state, received_at)`,
    ],
  });
  return {
    add(digest: Hex, opening: WordOpening, verdict: OutputVerdict, now: number): void {
      const wrong = verdict === "wrong";
      store.run("INSERT OR IGNORE INTO disputes VALUES (?, ?, ?, ?, ?, NULL, NULL)", digest, wrong ? JSON.stringify(opening) : null, verdict, wrong ? "open" : "closed", now);
    },
    get: (digest: Hex) => store.get<Pick<Row, "verdict">>("SELECT verdict FROM disputes WHERE digest = ?", digest),
    open: (limit: number): Dispute[] => store.all<Row>("SELECT digest, opening, verdict, header_hash, evidence FROM disputes WHERE state = 'open' ORDER BY received_at LIMIT ?", limit).map(toDispute),
    keep: (digest: Hex, headerHash: Hex, evidence: Hex): void => void store.run("UPDATE disputes SET header_hash = ?, evidence = ? WHERE digest = ?", headerHash, evidence, digest),
    /** Forgets the question with it. */
    close: (digest: Hex, state: string): void => void store.run("UPDATE disputes SET state = ?, opening = NULL, evidence = NULL WHERE digest = ?", state, digest),
    prune: (before: number): void => void store.run("DELETE FROM disputes WHERE received_at < ?", before),
  };
}
