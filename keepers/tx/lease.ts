/**
 * One signer, one writer. The lease stands in the journal's own database and carries a fencing token: a writer that was
 * paused past its lease finds the token changed inside of its next transaction, and that transaction rolls back.
 */
import type { Clock } from "../clock/index.ts";
import { retryable } from "../errors/index.ts";
import type { Migration, Store } from "../storage/index.ts";

export const leaseMigration: Migration = {
  component: "tx.lease",
  steps: ["CREATE TABLE leases (name TEXT PRIMARY KEY, owner TEXT NOT NULL, pid INTEGER NOT NULL, token INTEGER NOT NULL, expires_at INTEGER NOT NULL) STRICT"],
};

export interface Lease {
  readonly token: number;
  /** Throws `tx.lease_lost` unless the token is still ours. Call it inside of every writing transaction. */
  assertHeld(): void;
  renew(): void;
  release(): void;
}

export interface LeaseOptions {
  store: Store;
  clock: Clock;
  name: string;
  ttlMs?: number;
  /** Whether the process with this id still runs on this machine; a dead owner's lease is free at once. */
  isAlive?: (pid: number) => boolean;
  pid?: number;
}

export function acquireLease({ store, clock, name, ttlMs = 10_000, isAlive = processAlive, pid = process.pid }: LeaseOptions): Lease {
  const owner = Buffer.from(clock.randomBytes(12)).toString("hex");
  const token = store.transaction(() => {
    const held = store.get<{ owner: string; pid: number; token: number; expires_at: number }>("SELECT * FROM leases WHERE name = ?", name);
    if (held && held.expires_at > clock.now() && (held.pid === pid || isAlive(held.pid))) {
      throw retryable("tx.lease_held", `Process ${held.pid} writes with this key; its lease ends in ${held.expires_at - clock.now()} ms.`, { name, pid: held.pid });
    }
    const next = (held?.token ?? 0) + 1;
    store.run(
      `INSERT INTO leases VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET owner = excluded.owner, pid = excluded.pid, token = excluded.token, expires_at = excluded.expires_at`,
      name, owner, pid, next, clock.now() + ttlMs,
    );
    return next;
  });
  const assertHeld = () => {
    const row = store.get<{ token: number; owner: string }>("SELECT token, owner FROM leases WHERE name = ?", name);
    if (row?.token !== token || row.owner !== owner) throw retryable("tx.lease_lost", "Another process took over this key's lease.", { name, token });
  };
  return {
    token,
    assertHeld,
    renew: () =>
      store.transaction(() => {
        assertHeld();
        store.run("UPDATE leases SET expires_at = ? WHERE name = ?", clock.now() + ttlMs, name);
      }),
    release: () => {
      store.run("UPDATE leases SET expires_at = 0 WHERE name = ? AND token = ? AND owner = ?", name, token, owner);
    },
  };
}

function processAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
