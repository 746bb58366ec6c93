/** Payers' receipts in the full node's database; the table stands in schema.ts. */
import type { Hex } from "viem";
import { receiptFromJson, receiptToJson } from "../../../sdk/receipts/wire.ts";
import { kv, type Store } from "../../storage/index.ts";
import type { Seen, WatchState } from "./watch-plan.ts";

type Row = { digest: Hex; receipt: string; signature: Hex };

/** States that a later block can still change. */
const OPEN = ["new", "pending", "posted", "omitted"];

export function watchStore(store: Store) {
  const facts = kv(store);
  const toSeen = ({ digest, receipt, signature }: Row): Seen => ({ digest, receipt: receiptFromJson(JSON.parse(receipt)), signature });
  return {
    add({ digest, receipt, signature }: Seen, now: number): void {
      store.run(
        "INSERT OR IGNORE INTO watched VALUES (?, ?, ?, ?, ?, ?, ?, 'new', 0)",
        digest, receipt.nodeId, receipt.keyId, receipt.paymentId, JSON.stringify(receiptToJson(receipt)), signature, now,
      );
    },
    get(digest: Hex): Seen | undefined {
      const row = store.get<Row>("SELECT digest, receipt, signature FROM watched WHERE digest = ?", digest);
      return row && toSeen(row);
    },
    ofPayment: (paymentId: Hex, limit: number): Seen[] => store.all<Row>("SELECT digest, receipt, signature FROM watched WHERE payment_id = ? LIMIT ?", paymentId, limit).map(toSeen),
    /** Those that were looked at longest ago. */
    open(limit: number): Seen[] {
      const marks = OPEN.map(() => "?").join(", ");
      return store.all<Row>(`SELECT digest, receipt, signature FROM watched WHERE state IN (${marks}) ORDER BY looked_at LIMIT ?`, ...OPEN, limit).map(toSeen);
    },
    /** @param at When it was looked at, ms. */
    setState: (digest: Hex, { state }: WatchState, at = 0): void => void store.run("UPDATE watched SET state = ?, looked_at = ? WHERE digest = ?", state, at, digest),
    count: (): number => store.get<{ n: number }>("SELECT COUNT(*) AS n FROM watched")!.n,
    countOf: (paymentId: Hex): number => store.get<{ n: number }>("SELECT COUNT(*) AS n FROM watched WHERE payment_id = ?", paymentId)!.n,
    prune: (before: number): void => void store.run("DELETE FROM watched WHERE received_at < ?", before),
    isShown: (keyId: Hex): boolean => facts.get(`equivocation.${keyId}`) !== undefined,
    markShown: (keyId: Hex): void => facts.set(`equivocation.${keyId}`, "shown"),
  };
}
