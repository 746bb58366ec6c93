import type { Hex } from "viem";
import type { Observation } from "../../../sdk/protocol/index.ts";
import type { Migration, Store } from "../../storage/index.ts";
import type { ObservationState } from "./decide.ts";

export const dataMigration: Migration = {
  component: "data",
  steps: [
    // One observation per feed and round, whatever dies in between: a second value for a round would be an equivocation.
    `CREATE TABLE observations (
       feed_id TEXT NOT NULL, round INTEGER NOT NULL, document TEXT NOT NULL, signature TEXT NOT NULL, state TEXT NOT NULL,
       PRIMARY KEY (feed_id, round)
     ) STRICT, WITHOUT ROWID`,
  ],
};

export function observationStore(store: Store) {
  store.migrate(dataMigration);
  type Raw = { round: number; document: string; signature: Hex; state: ObservationState };
  const revive = (text: string): Observation => {
    const raw = JSON.parse(text) as Record<string, string>;
    return { ...(raw as unknown as Observation), round: BigInt(raw.round!), value: BigInt(raw.value!), observedAt: BigInt(raw.observedAt!) };
  };
  return {
    add(observation: Observation, signature: Hex): void {
      const text = JSON.stringify(observation, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
      store.run("INSERT INTO observations VALUES (?, ?, ?, ?, 'signed')", observation.feedId, Number(observation.round), text, signature);
    },
    get(feedId: Hex, round: bigint): { observation: Observation; signature: Hex; state: ObservationState } | undefined {
      const row = store.get<Raw>("SELECT * FROM observations WHERE feed_id = ? AND round = ?", feedId, Number(round));
      return row && { observation: revive(row.document), signature: row.signature, state: row.state };
    },
    move: (feedId: Hex, round: bigint, state: ObservationState): void => void store.run("UPDATE observations SET state = ? WHERE feed_id = ? AND round = ?", state, feedId, Number(round)),
    /** Rounds that may still need something, oldest first. */
    recent(feedId: Hex): { round: bigint; state: ObservationState }[] {
      return store
        .all<Raw>("SELECT round, state FROM observations WHERE feed_id = ? ORDER BY round DESC LIMIT 8", feedId)
        .map(({ round, state }) => ({ round: BigInt(round), state }))
        .reverse();
    },
  };
}
