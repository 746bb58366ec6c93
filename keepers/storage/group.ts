import type { Store } from "./sqlite.ts";

/** Runs `work` in a transaction that may be shared; resolves when it is on disk. */
export type GroupedTransaction = <T>(work: () => T) => Promise<T>;

/**
 * Group commit: what arrives in one turn of the event loop shares one transaction and one fsync. Each piece of work has a savepoint
 * of its own, so that one that throws takes nothing of the others with it. Nobody is told of success before the commit.
 */
export function groupedTransactions(store: Store): GroupedTransaction {
  interface Member {
    run(): void;
    resolve(): void;
    reject(error: unknown): void;
  }
  let waiting: Member[] = [];

  function flush(): void {
    const members = waiting;
    waiting = [];
    const failed = new Map<Member, unknown>();
    try {
      store.transaction(() => {
        for (const member of members) {
          store.run("SAVEPOINT member");
          try {
            member.run();
          } catch (error) {
            store.run("ROLLBACK TO member");
            failed.set(member, error);
          }
          store.run("RELEASE member");
        }
      });
    } catch (error) {
      for (const member of members) member.reject(error);
      return;
    }
    for (const member of members) if (failed.has(member)) member.reject(failed.get(member));
    else member.resolve();
  }

  return <T>(work: () => T) =>
    new Promise<T>((resolve, reject) => {
      let result: T;
      if (waiting.length === 0) setImmediate(flush);
      waiting.push({ run: () => void (result = work()), resolve: () => resolve(result), reject });
    });
}
