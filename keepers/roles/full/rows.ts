/** Rows of the ledger as the queries give them. */
import type { Hex } from "viem";
import { type BatchHeader } from "../../../sdk/protocol/index.ts";
import { receiptFromJson } from "../../../sdk/receipts/wire.ts";
import type { HeaderRow, LeafRow } from "./store.ts";
import { fromText } from "./text.ts";

export type Raw = Record<string, string | number | Uint8Array | null>;

/** Headers with their latest status. */
export const WITH_STATUS = `SELECT h.*, t.status, t.block FROM headers h JOIN transitions t ON t.header_hash = h.hash
  AND (t.block, t.log_index) = (SELECT block, log_index FROM transitions WHERE header_hash = h.hash ORDER BY block DESC, log_index DESC LIMIT 1)`;

export function toHeader(row: Raw): HeaderRow {
  return {
    hash: row.hash as Hex,
    kind: row.kind as HeaderRow["kind"],
    header: fromText(row.document as string) as BatchHeader,
    fullBond: row.full_bond === 1,
    postedBlock: BigInt(row.posted_block as number),
    txHash: row.tx_hash as Hex,
    status: Number(row.status),
    statusBlock: BigInt(row.block as number),
  };
}

export function toLeaf(row: Raw): LeafRow {
  return {
    headerHash: row.header_hash as Hex,
    leaf: Number(row.leaf),
    digest: `0x${Buffer.from(row.digest as Uint8Array).toString("hex")}`,
    receipt: receiptFromJson(JSON.parse(row.receipt as string)),
    signature: row.signature as Hex,
  };
}
