/** What all arrows of one lane share: the guarded commit, the reasons for waiting, the stop. */
import type { Hex } from "viem";
import type { Head, RpcPool } from "../chain/index.ts";
import type { Clock } from "../clock/index.ts";
import type { Logger } from "../logger/index.ts";
import type { Signer } from "../signer/index.ts";
import type { Store } from "../storage/index.ts";
import { type ChainView, chainView } from "./chain-view.ts";
import type { Fees } from "./fees.ts";
import type { Lease } from "./lease.ts";
import type { RevertReader } from "./reverts.ts";
import type { JournalStore, MoveFields } from "./store.ts";
import { type AttemptRow, type FeeLimits, type IntentRow, type IntentState, TERMINAL, type Timing } from "./types.ts";

/** Where tests stop the process: before and after each arrow's commit, and after its effect. */
export type JournalHook = (point: `${string}:${"before" | "committed" | "sent"}`) => void | Promise<void>;

export interface LaneDeps {
  pool: RpcPool;
  signer: Signer;
  store: Store;
  journal: JournalStore;
  lease: Lease;
  clock: Clock;
  logger: Logger;
  reverts: RevertReader;
  timing: Timing;
  limits: FeeLimits;
  hook: JournalHook;
  /** Called after an intent has reached a terminal state. */
  onTerminal(id: number): void;
}

export type NewAttempt = Omit<AttemptRow, "id">;

export interface LaneContext extends LaneDeps {
  readonly chainId: number;
  readonly chain: ChainView;
  /** When an intent's bytes were last sent by this process; absent after a restart, so that they go out again. */
  readonly lastSent: Map<number, number>;
  /** How often an intent's nonce looked used by somebody else. */
  readonly suspicion: Map<number, number>;
  arrow(intent: IntentRow, from: readonly IntentState[], to: IntentState, fields?: Partial<MoveFields>, also?: () => void): Promise<void>;
  end(intent: IntentRow, to: IntentState, code: string | null, message: string | null): Promise<void>;
  wait(intent: IntentRow, reason: string): void;
  waiting(id: number): string | null;
  isDone(intent: IntentRow): Promise<boolean>;
  stop(reason: string): void;
  stopped(): string | null;
  attempt(intent: IntentRow, kind: "send" | "cancel", nonce: number, signed: { raw: Hex; hash: Hex }, gas: bigint, fees: Fees, head: Head): NewAttempt;
}

export function laneContext(deps: LaneDeps): LaneContext {
  const { pool, signer, store, journal, lease, clock, logger, hook } = deps;
  const { chainId } = pool;
  const chain = chainView(pool);
  const reasons = new Map<number, string>();
  const lastSent = new Map<number, number>();
  const suspicion = new Map<number, number>();

  /** One arrow: nothing is believed before the commit, nothing is done before it either. */
  async function arrow(intent: IntentRow, from: readonly IntentState[], to: IntentState, fields: Partial<MoveFields> = {}, also: () => void = () => {}): Promise<void> {
    await hook(`${to}:before`);
    store.transaction(() => {
      lease.assertHeld();
      journal.move(intent.id, from, to, clock.now(), fields);
      also();
    });
    reasons.delete(intent.id);
    logger.debug({ intent: intent.id, label: intent.label, from: intent.state, to, nonce: fields.nonce ?? intent.nonce }, "intent moved");
    await hook(`${to}:committed`);
    if (TERMINAL.has(to)) {
      lastSent.delete(intent.id);
      suspicion.delete(intent.id);
      deps.onTerminal(intent.id);
    }
  }

  async function end(intent: IntentRow, to: IntentState, code: string | null, message: string | null): Promise<void> {
    await arrow(intent, [intent.state], to, { code, message });
    if (code) logger.warn({ intent: intent.id, label: intent.label, code, reason: message }, `intent ${to}`);
  }

  async function isDone(intent: IntentRow): Promise<boolean> {
    return intent.done !== null && (await chain.isDone(intent.done));
  }

  function stop(reason: string): void {
    logger.error({ chainId, signer: signer.address, reason }, "signer stopped: a foreign transaction uses its key");
    const lane = journal.lane(chainId, signer.address);
    journal.setLane(chainId, signer.address, lane?.nextNonce ?? 0, reason);
  }

  function stopped(): string | null {
    return journal.lane(chainId, signer.address)?.stopped ?? null;
  }

  function wait(intent: IntentRow, reason: string): void {
    if (reasons.get(intent.id) !== reason) logger.warn({ intent: intent.id, label: intent.label, reason }, "intent waits");
    reasons.set(intent.id, reason);
  }

  return {
    ...deps, chainId, chain, lastSent, suspicion, arrow, end, wait, isDone, stop, stopped,
    waiting: (id) => reasons.get(id) ?? null,
    attempt: (intent, kind, nonce, { raw, hash }, gas, fees, head) => ({
      intentId: intent.id, kind, nonce, raw, hash, gas,
      maxFee: fees.maxFeePerGas, priorityFee: fees.maxPriorityFeePerGas, chainTime: head.timestamp, chainBlock: head.number,
    }),
  };
}
