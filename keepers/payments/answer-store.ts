import type { Hex } from "viem";
import type { Store } from "../storage/index.ts";
import type { PlainResponse, StoredReceipt } from "./types.ts";

/** What the transaction that ends a payment stores. */
export interface Attached {
  charge: bigint;
  receipt?: StoredReceipt;
  request?: { id: string; response?: PlainResponse };
}

/** A request as its idempotency key remembers it. */
export interface SeenRequest {
  bodyHash: Hex;
  state: "open" | "done";
  response?: PlainResponse;
}

/** What this node has answered: receipts, requests by idempotency key, and the single payments that have served. */
export class AnswerStore {
  readonly #store: Store;
  readonly #now: () => number;

  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  receipt(paymentId: Hex, sequence: bigint): unknown {
    const row = this.#store.get<{ document: string }>(
      "SELECT document FROM pay_receipt WHERE payment_id = ? AND sequence = ?", key(paymentId), Number(sequence),
    );
    return row && (JSON.parse(row.document) as unknown);
  }

  store(paymentId: Hex, sequence: bigint, attached: Attached): void {
    this.#store.transaction(() => {
      const { receipt, request, charge } = attached;
      if (receipt) {
        this.#store.run(
          "INSERT INTO pay_receipt VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
          key(paymentId), Number(sequence), receipt.digest, charge.toString(), JSON.stringify(receipt.document), this.#now(),
        );
        receipt.alongside?.();
      }
      if (request) this.finish(request.id, charge > 0n || receipt !== undefined, receipt?.response ?? request.response);
    });
  }

  /** @returns undefined when the id is new: it is now in flight. */
  begin(id: string, bodyHash: Hex): SeenRequest | undefined {
    return this.#store.transaction(() => {
      const row = this.#store.get<{ body_hash: Hex; state: SeenRequest["state"]; response: string | null }>("SELECT * FROM pay_request WHERE id = ?", id);
      if (row) {
        return { bodyHash: row.body_hash, state: row.state, ...(row.response ? { response: JSON.parse(row.response) as PlainResponse } : {}) };
      }
      this.#store.run("INSERT INTO pay_request VALUES (?, ?, 'open', NULL, ?)", id, bodyHash, this.#now());
      return undefined;
    });
  }

  /** A request that failed may be sent again under its id. */
  finish(id: string, answered: boolean, response?: PlainResponse): void {
    if (!answered) this.#store.run("DELETE FROM pay_request WHERE id = ? AND state = 'open'", id);
    else this.#store.run("UPDATE pay_request SET state = 'done', response = ? WHERE id = ?", response ? JSON.stringify(response) : null, id);
  }

  /** Requests and payments that a process which died had in hand: they may come again. What may have been sent stays taken. */
  forgetOpen(): void {
    this.#store.run("DELETE FROM pay_request WHERE state = 'open'");
    this.#store.run("DELETE FROM pay_single WHERE state = 'open'");
  }

  /** A single payment serves one request, ever. @returns false when it is taken. */
  takeSingle(paymentId: Hex, scheme: string, bodyHash: Hex): boolean {
    return this.#store.run("INSERT INTO pay_single VALUES (?, ?, ?, 'open') ON CONFLICT DO NOTHING", key(paymentId), scheme, bodyHash) === 1;
  }

  /** It may have been sent: kept, whatever is said afterwards, until it is known to be paid. */
  doubtSingle(paymentId: Hex): void {
    this.#store.run("UPDATE pay_single SET state = 'pending' WHERE payment_id = ? AND state = 'open'", key(paymentId));
  }

  /** Gives it back when nothing was paid, or keeps it for good. */
  endSingle(paymentId: Hex, paid: boolean): void {
    if (paid) this.#store.run("UPDATE pay_single SET state = 'paid' WHERE payment_id = ?", key(paymentId));
    else this.#store.run("DELETE FROM pay_single WHERE payment_id = ? AND state = 'open'", key(paymentId));
  }
}

const key = (id: string): Hex => id.toLowerCase() as Hex;
