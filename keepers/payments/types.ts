import type { Address, Hex, TransactionReceipt } from "viem";
import type { SchemeName, SignedAck } from "../../sdk/payments/types.ts";

/** How this room writes to a chain: the keeper's transaction journal, or a plain wallet in tests. One effect per `key`. */
export interface TxSender {
  submit(intent: TxIntent): Promise<{ hash: Hex; receipt: TransactionReceipt }>;
}

export interface TxIntent {
  key: string;
  chainId: number;
  to: Address;
  data: Hex;
  value?: bigint;
  /** Seconds, chain time. */
  deadline?: bigint;
}

/** What the gateway knows of a request before it is paid. */
export interface GateRequest {
  method: string;
  /** Absolute. */
  url: string;
  path: string;
  header(name: string): string | undefined;
  /** Parsed JSON body. */
  body: unknown;
  /** keccak256 of the canonical body: idempotency and binding. */
  bodyHash: Hex;
  quote: Quote;
}

/** What the request may cost under which terms; from tariff, model and headers. */
export interface Quote {
  /** Smallest token unit, > 0. */
  ceiling: bigint;
  modelId: Hex;
  /** `Verification` and `SettlementMode` of the request. */
  verification: number;
  settlementMode: number;
  /** For people, in the 402. */
  description?: string;
}

/** What `PaymentGate.admit` says. */
export type Admission =
  | { kind: "paid"; paid: PaidRequest }
  /** Answer with exactly this: 402 with an offer, or a 4xx with code and sentence in `body.error`. Nothing was charged. */
  | { kind: "refused"; response: PlainResponse }
  /** The same idempotency key and body: answer with the stored response. */
  | { kind: "replay"; response: PlainResponse };

export interface PlainResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * A payment that is reserved for one request. Exactly one of `commit` and `release` is called, once. Until then the channel is
 * locked; a lock outlives its process by `maxTimeoutSeconds` and no longer.
 */
export interface PaidRequest {
  readonly scheme: SchemeName;
  /** Channel id, or hash of the authorisation and chain: `paymentId` of the receipt. */
  readonly paymentId: Hex;
  readonly payer: Address;
  /** Most that may be charged. */
  readonly ceiling: bigint;
  /** `cumulativeBefore` of the receipt. */
  readonly cumulativeBefore: bigint;
  /** `sequence` of the receipt, reserved together with the lock, before inference. Signed once, whatever happens. */
  readonly sequence: bigint;
  /** `termsHash` of the receipt. */
  readonly termsHash: Hex;
  /** False for `upto` and `exact`. */
  readonly protected: boolean;
  /** Transaction that already moved money for this request (deposit, exact upfront). */
  readonly transaction?: Hex;
  /**
   * Charges and stores, in one database transaction, before the answer (or its last event) is released. For `upto` this settles
   * on chain; a failure throws `payments.settle_failed` and nothing is charged.
   * @param receipt Signed receipt and what an idempotent retry shall return.
   */
  commit(charge: bigint, receipt: StoredReceipt): Promise<Settlement>;
  /** The request failed: charge 0. The reserved sequence is spent; `receipt` (outcome 3) is stored when given. */
  release(reason: string, receipt?: StoredReceipt): Promise<void>;
}

export interface StoredReceipt {
  /** The receipt as it travels (integers as decimal strings), with signature and salt. */
  document: unknown;
  digest: Hex;
  /** Whole response for an idempotent retry; absent for streams that are not replayed. */
  response?: PlainResponse;
  /** Runs in the database transaction that stores the charge: what settles the receipt exists if and only if it is charged. */
  alongside?: () => void;
}

export interface Settlement {
  /** Header of a JSON answer. A stream carries `headers["PAYMENT-RESPONSE"]` as a field of its last event. */
  headers: { "PAYMENT-RESPONSE": string };
  charge: bigint;
  transaction?: Hex;
}

/** The room's front door. */
export interface PaymentGate {
  /** Fetches the facilitator's abilities and checks the configuration; call once. */
  start(): Promise<void>;
  admit(request: GateRequest): Promise<Admission>;
  /**
   * `X-OG-ACK` and `POST /v1/acks`: verified against the channel's payer, stored, carried with the next claim.
   * @returns When it is stored. @throws At once, `payments.unknown_channel` or `payments.bad_ack`.
   */
  acceptAck(ack: SignedAck): Promise<void>;
  /** `GET /v1/receipts/{paymentId}/{sequence}`. */
  storedReceipt(paymentId: Hex, sequence: bigint): unknown;
}

/** Delivered but not claimed, smallest token unit; exported as a metric, bounded by the configuration. */
export interface Exposure {
  payer: Address;
  token: Address;
  unclaimed: bigint;
  oldestAt: number;
}
