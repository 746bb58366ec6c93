/**
 * The transaction journal: for each idempotency key at most one effect on chain, and exactly one if the chain accepts it
 * before the intent's deadline. It survives `kill -9` at any instruction.
 */
import type { Hex } from "viem";
import type { RpcPool } from "../chain/index.ts";
import type { Clock } from "../clock/index.ts";
import { fatal, isKeeperError, messageOf, retryable } from "../errors/index.ts";
import type { Logger } from "../logger/index.ts";
import type { Signer } from "../signer/index.ts";
import type { Store } from "../storage/index.ts";
import { createLane, type JournalHook, type Lane } from "./lane.ts";
import { acquireLease, type Lease, leaseMigration } from "./lease.ts";
import { createRevertReader } from "./reverts.ts";
import { journalMigration, journalStore } from "./store.ts";
import { DEFAULT_TIMING, type FeeLimits, type Intent, type IntentRow, TERMINAL, type Timing, type TxReceipt } from "./types.ts";

export interface SubmitResult {
  hash: Hex;
  receipt: TxReceipt;
}

export interface Journal {
  /**
   * Durable when it returns its promise; the promise settles with the intent's end.
   * @throws `tx.abandoned`, `tx.reverted`, `tx.cancelled`, `tx.superseded` (details: `code`, `reason`), `tx.key_conflict`
   *         when the key stands for something else, `tx.stopping` when the keeper shuts down first (submit again later).
   */
  submit(intent: Intent): Promise<SubmitResult>;
  status(key: string): (IntentRow & { waiting: string | null }) | null;
  list(limit?: number): IntentRow[];
  counts(): Record<string, number>;
  /** Why a chain's signer is stopped, by chain id. */
  stopped(): Map<number, string>;
  resume(chainId: number): Promise<void>;
  cancel(key: string): Promise<void>;
  bump(key: string): Promise<void>;
  /** Takes the leases, rebroadcasts what was in flight and begins to work. */
  start(): void;
  /** Stops intake; what is in flight stays in the store. */
  stop(): Promise<void>;
  /** One pass over all lanes; for tests and simulations. */
  tick(): Promise<number>;
}

export interface JournalOptions {
  store: Store;
  clock: Clock;
  logger: Logger;
  chains: readonly { pool: RpcPool; signer: Signer; limits: FeeLimits; timing?: Partial<Timing> }[];
  hook?: JournalHook;
  leaseTtlMs?: number;
  /** Open intents at which submit answers `tx.queue_full`. */
  maxOpen?: number;
}

interface Waiter {
  resolve(result: SubmitResult): void;
  reject(error: unknown): void;
}

const WITHOUT_EFFECT: ReadonlySet<string> = new Set(["abandoned", "cancelled", "reverted", "superseded"]);

export function createJournal(options: JournalOptions): Journal {
  const { store, clock, logger, hook = () => {}, leaseTtlMs = 10_000, maxOpen = 10_000 } = options;
  store.migrate(leaseMigration, journalMigration);
  const journal = journalStore(store);
  const reverts = createRevertReader();
  const waiters = new Map<number, Waiter[]>();
  const lanes = new Map<number, Lane>();
  const leases: Lease[] = [];
  const signers = new Map(options.chains.map(({ pool, signer }) => [pool.chainId, signer]));
  const pollMs = Math.min(...options.chains.map(({ timing }) => timing?.pollMs ?? DEFAULT_TIMING.pollMs));
  let stopping = false;
  let running: AbortController | null = null;
  let loop: Promise<void> = Promise.resolve();
  let wake: () => void = () => {};
  let busy: Promise<unknown> = Promise.resolve();

  function openLanes(): void {
    if (lanes.size > 0) return;
    for (const { pool, signer, limits, timing } of options.chains) {
      const lease = acquireLease({ store, clock, name: `${pool.chainId}:${signer.address}`, ttlMs: leaseTtlMs });
      leases.push(lease);
      lanes.set(pool.chainId, createLane({
        pool, signer, store, journal, lease, clock, reverts, limits, hook,
        logger: logger.child({ part: "tx", chain: pool.chainId }),
        timing: { ...DEFAULT_TIMING, ...timing },
        onTerminal: settle,
      }));
    }
  }

  function settle(id: number): void {
    const waiting = waiters.get(id);
    if (!waiting) return;
    waiters.delete(id);
    const row = journal.byId(id)!;
    for (const { resolve, reject } of waiting) {
      if (row.state === "final") resolve({ hash: row.hash!, receipt: row.receipt! });
      else reject(fatal(`tx.${row.state}`, `${row.label} is ${row.state}: ${row.message ?? row.code ?? "done by another"}`, { key: row.key, code: row.code, reason: row.message, hash: row.hash }));
    }
  }

  /** Lanes work one after the other and never twice at once. */
  function exclusive<T>(work: () => Promise<T>): Promise<T> {
    const next = busy.then(work, work);
    busy = next.catch(() => {});
    return next;
  }

  async function pass(): Promise<number> {
    let open = 0;
    for (const lane of lanes.values()) {
      try {
        open += await lane.tick();
      } catch (error) {
        if (isKeeperError(error) && error.code === "tx.lease_lost") throw error;
        open++;
        logger.debug({ chain: lane.chainId, error: messageOf(error) }, "lane could not look at its chain");
      }
    }
    return open;
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => (wake = resolve));
      let open = 1;
      try {
        open = await exclusive(pass);
      } catch (error) {
        logger.error({ error }, "journal stopped: another process writes with this key");
        stopping = true;
        rejectAll();
        return;
      }
      // Stopped meanwhile: an abort that has been tells nobody any more.
      if (signal.aborted) return;
      // Nothing open: only the lease needs attention.
      const nap = new AbortController();
      const stop = () => nap.abort();
      signal.addEventListener("abort", stop, { once: true });
      await Promise.race([woken, clock.sleep(open > 0 ? pollMs : leaseTtlMs / 3, nap.signal).catch(() => {})]);
      signal.removeEventListener("abort", stop);
      nap.abort();
    }
  }

  function rejectAll(): void {
    for (const [id, waiting] of waiters) {
      for (const { reject } of waiting) reject(retryable("tx.stopping", "The keeper stops; the intent is kept and goes on after the restart.", { id }));
    }
    waiters.clear();
  }

  function assertSame(row: IntentRow, intent: Intent): void {
    const same = row.chainId === intent.chainId && row.to.toLowerCase() === intent.to.toLowerCase() && row.data === intent.data && row.value === (intent.value ?? 0n);
    if (!same) throw fatal("tx.key_conflict", `The key ${intent.key} already stands for another transaction.`, { key: intent.key });
  }

  function record(intent: Intent): IntentRow {
    const signer = signers.get(intent.chainId);
    if (!signer) throw fatal("tx.no_signer", `No signer for chain ${intent.chainId}.`, { chainId: intent.chainId });
    return store.transaction(() => {
      const row = journal.byKey(intent.key);
      if (!row) {
        if (openCount() >= maxOpen) throw retryable("tx.queue_full", `${maxOpen} transactions are open.`, { maxOpen });
        return journal.plan(intent, signer.address, clock.now());
      }
      if (intent.again && WITHOUT_EFFECT.has(row.state)) {
        journal.replan(row.id, clock.now());
        return journal.byId(row.id)!;
      }
      assertSame(row, intent);
      return row;
    });
  }

  function openCount(): number {
    return journal.counts().reduce((sum, { state, count }) => (TERMINAL.has(state) ? sum : sum + count), 0);
  }

  function rowFor(key: string): { row: IntentRow; lane: Lane } {
    const row = journal.byKey(key);
    const lane = row && lanes.get(row.chainId);
    if (!row || !lane) throw fatal("tx.unknown", `No intent has the key ${key}.`, { key });
    return { row, lane };
  }

  return {
    async submit(intent) {
      if (stopping) throw retryable("tx.stopping", "The keeper stops and takes no new transactions.");
      if (intent.abi) reverts.learn(intent.abi);
      const row = record(intent);
      await hook("planned:committed");
      return new Promise((resolve, reject) => {
        waiters.set(row.id, [...(waiters.get(row.id) ?? []), { resolve, reject }]);
        if (TERMINAL.has(journal.byId(row.id)!.state)) settle(row.id);
        else wake();
      });
    },
    status(key) {
      const row = journal.byKey(key);
      return row ? { ...row, waiting: lanes.get(row.chainId)?.waiting(row.id) ?? null } : null;
    },
    list: (limit = 100) => journal.recent(limit),
    counts: () => Object.fromEntries(journal.counts().map(({ state, count }) => [state, count])),
    stopped: () => new Map([...lanes].flatMap(([chainId, lane]) => (lane.stopped() ? [[chainId, lane.stopped()!] as const] : []))),
    resume: (chainId) => exclusive(async () => lanes.get(chainId)?.resume()),
    cancel: (key) => exclusive(() => rowFor(key).lane.cancel(rowFor(key).row.id)),
    bump: (key) => exclusive(() => rowFor(key).lane.bump(rowFor(key).row.id)),
    start() {
      openLanes();
      if (running) return;
      running = new AbortController();
      loop = run(running.signal);
    },
    async stop() {
      stopping = true;
      running?.abort();
      await loop;
      await busy;
      rejectAll();
      for (const lease of leases) lease.release();
    },
    tick() {
      openLanes();
      return exclusive(pass);
    },
  };
}
