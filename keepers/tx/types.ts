import type { Abi, Address, Hex } from "viem";
import type { RpcLog } from "../chain/index.ts";

/**
 * States of an intent. Terminal: final (the effect is on chain), reverted (mined, but the contract refused), cancelled
 * (the nonce went to a self transfer), superseded (someone else did it), abandoned (never signed).
 */
export type IntentState =
  | "planned" | "simulated" | "signed" | "broadcast" | "bumped" | "mined" | "cancelling" | "foreign"
  | "final" | "reverted" | "cancelled" | "superseded" | "abandoned";

export const TERMINAL: ReadonlySet<IntentState> = new Set(["final", "reverted", "cancelled", "superseded", "abandoned"]);

/** A question to the chain whose answer says that the intent's subject is done, whoever did it. */
export interface DoneCheck {
  to: Address;
  data: Hex;
  /** The call's whole return value. */
  equals: Hex;
}

/** What a role wants on chain. Same key, same effect: a second submit waits for the first. */
export interface Intent {
  /** Idempotency key: see `intentKey`. */
  key: string;
  chainId: number;
  to: Address;
  data: Hex;
  value?: bigint;
  /** Seconds, chain time. Past it the intent is withdrawn. */
  deadline?: bigint;
  done?: DoneCheck;
  /** Topic 0 of an event that `to` must have emitted; without it a mined transaction counts as failed. */
  expectEvent?: Hex;
  /** For people: "heartbeat", "postBatch". */
  label?: string;
  /** Names the contract's error when the simulation reverts; not stored. */
  abi?: Abi;
  /** Gas limit, where an estimate would be wrong. */
  gas?: bigint;
  /** Plans the intent again if it ended without effect (abandoned, cancelled, reverted, superseded). */
  again?: boolean;
}

export interface TxReceipt {
  transactionHash: Hex;
  blockNumber: bigint;
  blockHash: Hex;
  status: "success" | "reverted";
  gasUsed: bigint;
  effectiveGasPrice: bigint;
  logs: RpcLog[];
}

export interface IntentRow {
  id: number;
  key: string;
  label: string;
  chainId: number;
  signer: Address;
  to: Address;
  data: Hex;
  value: bigint;
  deadline: bigint | null;
  done: DoneCheck | null;
  expectEvent: Hex | null;
  gas: bigint | null;
  state: IntentState;
  /** Where a cancelling intent is going: "cancelled" or "superseded". */
  cancelTo: IntentState | null;
  nonce: number | null;
  hash: Hex | null;
  blockNumber: bigint | null;
  blockHash: Hex | null;
  receipt: TxReceipt | null;
  code: string | null;
  message: string | null;
  createdAt: number;
  updatedAt: number;
}

export interface AttemptRow {
  id: number;
  intentId: number;
  kind: "send" | "cancel";
  nonce: number;
  hash: Hex;
  raw: Hex;
  gas: bigint;
  maxFee: bigint;
  priorityFee: bigint;
  /** Chain time and block when it was signed: patience is counted in the chain's time. */
  chainTime: bigint;
  chainBlock: bigint;
}

export interface FeeLimits {
  maxFeePerGas: bigint;
  maxTxCost: bigint;
  maxDayCost: bigint;
}

export interface Timing {
  /** Depth at which a block counts as lasting; 1 = the block itself. */
  confirmations: number;
  /** Bump when no receipt came for the longer of the two. */
  bumpAfterSeconds: bigint;
  bumpAfterBlocks: bigint;
  maxBumps: number;
  pollMs: number;
  /** Transactions in flight at once. */
  maxInFlight: number;
}

export const DEFAULT_TIMING: Timing = {
  confirmations: 3, bumpAfterSeconds: 6n, bumpAfterBlocks: 3n, maxBumps: 8, pollMs: 1_000, maxInFlight: 32,
};
