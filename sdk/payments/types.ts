import type { Address, Hex } from "viem";
import type { Ack, ProtocolDomain, Terms } from "../protocol/index.ts";
import type { Tariff } from "./tariff.ts";

export type Network = `${string}:${string}`;
export type SchemeName = "batch-settlement" | "upto" | "exact";

/** `GET /v1/offer`, and `extra.offer` of the 402's requirements: what a payer needs to sign before it pays. */
export interface Offer {
  /** Terms to sign into the channel's salt. */
  terms: Terms;
  termsHash: Hex;
  tariff: Tariff;
  /** Most that the request may cost, smallest token unit. */
  ceiling: bigint;
  network: Network;
  token: Address;
  /** EIP-712 domain of the token, for EIP-3009. */
  tokenName: string;
  tokenVersion: string;
  /** PaymentEscrow: payTo of channels. */
  escrow: Address;
  /** The node's payment authorizer: receiverAuthorizer of its channels. */
  authorizer: Address;
  /** Seconds, >= 1 day (devnets: >= 15 min, the channel contract's own minimum). */
  withdrawDelay: number;
  /** Where `upto` and `exact` pay to: unprotected. Absent when the node does not take them. */
  vault?: Address;
}

/** An x402 channel, fields as the channel contract hashes them. */
export interface ChannelConfig {
  payer: Address;
  payerAuthorizer: Address;
  receiver: Address;
  receiverAuthorizer: Address;
  token: Address;
  withdrawDelay: number;
  salt: Hex;
}

/** What a client knows of its channel with a node. */
export interface ChannelState {
  paymentId: Hex;
  config: ChannelConfig;
  clientNonce: Hex;
  terms: Terms;
  /** Deposited, less refunds and withdrawals. */
  balance: bigint;
  /** Where the payer agrees that the line stands: the sum of charges whose receipts it verified. */
  charged: bigint;
}

/** An Ack on the wire: header `X-OG-ACK` (base64 JSON) and `POST /v1/acks`. */
export interface SignedAck extends Ack {
  signature: Hex;
}

/** What the payer signs with: a viem LocalAccount fits. */
export interface PayerSigner {
  readonly address: Address;
  signTypedData(message: {
    domain: Record<string, unknown>;
    types: Record<string, unknown>;
    primaryType: string;
    message: Record<string, unknown>;
  }): Promise<Hex>;
}

/** Outcome of one paid request, as the client's checks left it. */
export interface Payment {
  scheme: SchemeName;
  paymentId: Hex;
  /** 0 when the request failed. */
  charge: bigint;
  cumulativeBefore: bigint;
  /** Hash of the deposit or transfer that this request caused, if any. */
  transaction?: Hex;
  /** False for `upto` and `exact`: no escrow stands behind them. */
  protected: boolean;
}

/** What the client hands to the payer to check an answer before the next voucher is signed. */
export interface ReceiptView {
  paymentId: Hex;
  cumulativeBefore: bigint;
  charge: bigint;
  termsHash: Hex;
}

/** The payer's side of a node: one channel, one request at a time, in order. */
export interface PaymentClient {
  /**
   * A fetch that pays. Requests on one channel queue up; the requirement of a route is cached, so that a request body travels
   * once. The caller gets the response at once (streams stay streams) and must `confirm` or `dispute` it.
   */
  fetch(url: string, init: PaidRequestInit): Promise<PaidResponse>;
  channel(offer: Offer): Promise<ChannelState | undefined>;
  /** Signs an Ack for everything that this client has verified on the channel. */
  ack(paymentId: Hex): Promise<SignedAck | undefined>;
}

export interface PaidRequestInit {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
  /** Refuse to sign above this, smallest token unit. */
  maxCharge?: bigint;
  scheme?: SchemeName;
  /** x402 `payment-identifier`: the same id and body returns the stored answer. */
  idempotencyKey?: string;
}

export interface PaidResponse {
  response: Response;
  /** Scheme that paid; undefined when the route was free. */
  scheme?: SchemeName;
  paymentId?: Hex;
  /** Terms that the payment stands under: the channel's, or the offer's for schemes without a channel. */
  termsHash?: Hex;
  /** Ceiling that was signed. */
  ceiling?: bigint;
  cumulativeBefore?: bigint;
  /** The receipt is genuine and the charge right: the channel's line moves, the next request may start. */
  confirm(receipt: ReceiptView): Promise<Payment>;
  /** Something is wrong, or nothing was charged: the line stays, the next request may start unless `poison`. */
  reject(reason: string, options?: { poison?: boolean }): Promise<void>;
}

/** Where Acks are valid: the escrow on the payment chain. */
export type EscrowDomain = ProtocolDomain;
