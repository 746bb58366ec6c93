import type { Migration, Store } from "./sqlite.ts";

export const kvMigration: Migration = {
  component: "kv",
  steps: ["CREATE TABLE kv (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT"],
};

/** Small durable facts of a keeper: its node id, the genesis of its chain. */
export function kv(store: Store) {
  return {
    get: (name: string) => store.get<{ value: string }>("SELECT value FROM kv WHERE name = ?", name)?.value,
    set: (name: string, value: string) => {
      store.run("INSERT INTO kv VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", name, value);
    },
    delete: (name: string) => store.run("DELETE FROM kv WHERE name = ?", name) > 0,
  };
}
