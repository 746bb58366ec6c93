/**
 * One SQLite file per keeper. WAL with synchronous=FULL: what a transaction committed is on disk when the call returns,
 * so an effect that follows the commit can never be forgotten.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { fatal, messageOf, retryable } from "../errors/index.ts";

export type Row = Record<string, SQLInputValue>;

/** A step of a component's schema. Steps run once, in order, each in a transaction; a released step never changes. */
export interface Migration {
  component: string;
  steps: readonly string[];
}

export interface Store {
  /** Runs a statement that returns nothing; gives the number of rows that it changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  get<T extends object = Row>(sql: string, ...values: SQLInputValue[]): T | undefined;
  all<T extends object = Row>(sql: string, ...values: SQLInputValue[]): T[];
  /** Rows one at a time, for results that do not fit into memory. */
  iterate<T extends object = Row>(sql: string, ...values: SQLInputValue[]): Iterable<T>;
  /** Commits when `work` returns and rolls back when it throws. Nested calls join the outer transaction. */
  transaction<T>(work: () => T): T;
  migrate(...migrations: Migration[]): void;
  close(): void;
  readonly path: string;
}

/** @param path File, or ":memory:" for tests. */
export function openStore(path: string): Store {
  if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true });
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(path);
    db.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=2000; PRAGMA temp_store=MEMORY");
  } catch (error) {
    throw fatal("storage.open", `The database ${path} cannot be opened: ${messageOf(error)}`, { path }, { cause: error });
  }
  const statements = new Map<string, StatementSync>();
  let depth = 0;

  function prepare(sql: string): StatementSync {
    let statement = statements.get(sql);
    if (!statement) {
      statement = db.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  }

  /** SQLite's own words decide the family: a lock or a full disk passes, a broken rule does not. */
  function guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const code = (error as { errcode?: number }).errcode;
      if (typeof code !== "number") throw error;
      const primary = code & 0xff;
      if (primary === SQLITE_BUSY || primary === SQLITE_LOCKED) throw retryable("storage.busy", "The database is locked.", {}, { cause: error });
      if (primary === SQLITE_FULL || primary === SQLITE_IOERR) throw retryable("storage.unwritable", messageOf(error), {}, { cause: error });
      if (primary === SQLITE_CONSTRAINT) throw fatal("storage.constraint", messageOf(error), {}, { cause: error });
      throw fatal("storage.failed", messageOf(error), {}, { cause: error });
    }
  }

  const store: Store = {
    path,
    run: (sql, ...values) => guarded(() => Number(prepare(sql).run(...values).changes)),
    get: <T extends object>(sql: string, ...values: SQLInputValue[]) => guarded(() => prepare(sql).get(...values)) as T | undefined,
    all: <T extends object>(sql: string, ...values: SQLInputValue[]) => guarded(() => prepare(sql).all(...values)) as T[],
    // A statement of its own: two open iterations of one text must not share a cursor.
    iterate: <T extends object>(sql: string, ...values: SQLInputValue[]) => db.prepare(sql).iterate(...values) as Iterable<T>,
    transaction(work) {
      if (depth > 0) return work();
      guarded(() => db.exec("BEGIN IMMEDIATE"));
      depth++;
      try {
        const result = work();
        guarded(() => db.exec("COMMIT"));
        return result;
      } catch (error) {
        if (db.isTransaction) db.exec("ROLLBACK");
        throw error;
      } finally {
        depth--;
      }
    },
    migrate(...migrations) {
      store.run("CREATE TABLE IF NOT EXISTS migrations (component TEXT PRIMARY KEY, step INTEGER NOT NULL) STRICT");
      for (const { component, steps } of migrations) {
        store.transaction(() => {
          const done = store.get<{ step: number }>("SELECT step FROM migrations WHERE component = ?", component)?.step ?? 0;
          if (done > steps.length) {
            throw fatal("storage.newer", `${path} was written by a newer version (${component} ${done} > ${steps.length}).`, { component });
          }
          for (const step of steps.slice(done)) guarded(() => db.exec(step));
          store.run("INSERT INTO migrations VALUES (?, ?) ON CONFLICT DO UPDATE SET step = excluded.step", component, steps.length);
        });
      }
    },
    close: () => {
      statements.clear();
      if (db.isOpen) db.close();
    },
  };
  return store;
}

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
const SQLITE_CONSTRAINT = 19;
