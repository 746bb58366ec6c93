/**
 * Follows a chain's logs into the keeper's database. The cursor is (number, hash); rows and cursor change in one
 * transaction, and a reorganisation rolls both back to the last common block.
 */
import { type Address, type Hex, numberToHex } from "viem";
import { fatal, retryable } from "../errors/index.ts";
import type { Logger } from "../logger/index.ts";
import type { Migration, Store } from "../storage/index.ts";
import { type Head, parseHead, type RpcPool } from "./pool.ts";

export interface RpcLog {
  address: Address;
  topics: Hex[];
  data: Hex;
  blockNumber: Hex;
  blockHash: Hex;
  transactionHash: Hex;
  logIndex: Hex;
  transactionIndex: Hex;
}

export const followerMigration: Migration = {
  component: "chain.follower",
  steps: [
    `CREATE TABLE follower_blocks (
       name TEXT NOT NULL, number INTEGER NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (name, number)
     ) STRICT, WITHOUT ROWID`,
  ],
};

export interface FollowerOptions {
  name: string;
  pool: RpcPool;
  store: Store;
  logger: Logger;
  addresses: readonly Address[];
  startBlock: bigint;
  /** Deepest rollback; deeper stops the follower for a person to look. */
  reorgDepth: number;
  /** Blocks asked for in one go. */
  chunk?: bigint;
  /** Puts the logs of one chunk into the database. Synchronous: it runs inside of the cursor's transaction. */
  apply(logs: readonly RpcLog[], upTo: Head): void;
  /** Forgets everything above `block`; inside of the cursor's transaction. */
  rollback(block: bigint): void;
}

export interface Follower {
  /** Catches up with the head. Returns the block it has reached. */
  step(): Promise<bigint>;
  position(): { number: bigint; hash: Hex } | null;
}

export function createFollower(options: FollowerOptions): Follower {
  const { name, pool, store, logger, addresses, startBlock, reorgDepth, chunk = 2_000n } = options;

  function position(): { number: bigint; hash: Hex } | null {
    const row = store.get<{ number: number; hash: Hex }>("SELECT number, hash FROM follower_blocks WHERE name = ? ORDER BY number DESC LIMIT 1", name);
    return row ? { number: BigInt(row.number), hash: row.hash } : null;
  }

  async function blockAt(number: bigint): Promise<Head | null> {
    const block = await pool.agree<unknown>("eth_getBlockByNumber", [numberToHex(number), false], (result) => (result as { hash?: Hex } | null)?.hash ?? null);
    return block ? parseHead(block) : null;
  }

  /** Walks back to the newest stored block that the chain still has. */
  async function unwind(head: Head): Promise<void> {
    const blocks = store.all<{ number: number; hash: Hex }>("SELECT number, hash FROM follower_blocks WHERE name = ? ORDER BY number DESC", name);
    for (const [index, block] of blocks.entries()) {
      const canonical = BigInt(block.number) <= head.number ? await blockAt(BigInt(block.number)) : null;
      if (canonical?.hash === block.hash) {
        if (index === 0) return;
        logger.warn({ follower: name, from: blocks[0]!.number, to: block.number }, "reorganisation: rolled back");
        rollbackTo(BigInt(block.number));
        return;
      }
      // A head that is merely behind (an endpoint restarted) is not a reorganisation: wait for it.
      if (BigInt(block.number) > head.number && index === 0 && (await onlyBehind(blocks, head))) {
        throw retryable("chain.behind", `The head ${head.number} is behind the cursor ${block.number}.`, { follower: name });
      }
    }
    if (blocks.length === 0) return;
    const oldest = BigInt(blocks.at(-1)!.number);
    if (oldest > startBlock) {
      throw fatal("chain.deep_reorg", `A reorganisation below block ${oldest} (deeper than ${reorgDepth}) needs a look.`, { follower: name, oldest });
    }
    logger.warn({ follower: name }, "reorganisation: rolled back to the start");
    rollbackTo(startBlock - 1n);
  }

  async function onlyBehind(blocks: readonly { number: number; hash: Hex }[], head: Head): Promise<boolean> {
    const same = blocks.find((block) => BigInt(block.number) <= head.number);
    if (!same) return false;
    return (await blockAt(BigInt(same.number)))?.hash === same.hash && blocks[0]!.number - Number(head.number) <= 2;
  }

  function rollbackTo(block: bigint): void {
    store.transaction(() => {
      store.run("DELETE FROM follower_blocks WHERE name = ? AND number > ?", name, Number(block));
      options.rollback(block);
    });
  }

  return {
    position,
    async step() {
      const head = await pool.head();
      await unwind(head);
      let from = (position()?.number ?? startBlock - 1n) + 1n;
      while (from <= head.number) {
        const to = from + chunk - 1n < head.number ? from + chunk - 1n : head.number;
        const logs = await pool.agree<RpcLog[]>("eth_getLogs", [{ address: addresses, fromBlock: numberToHex(from), toBlock: numberToHex(to) }], (list) =>
          list.map((log) => [log.blockHash, log.logIndex, log.data, log.topics]),
        );
        const end = await blockAt(to);
        const before = position();
        // The blocks may have moved while the logs were read: then the cursor's successor does not follow from it.
        const stillThere = !before || (await blockAt(before.number))?.hash === before.hash;
        const inEnd = logs.filter((log) => BigInt(log.blockNumber) === to);
        if (!end || !stillThere || inEnd.some((log) => log.blockHash !== end.hash)) {
          throw retryable("chain.moved", "The chain moved while its logs were read.", { follower: name, from, to });
        }
        store.transaction(() => {
          options.apply(logs, end);
          // Each block of the last stretch is kept for finding the common ancestor; of a long catch-up, its ends.
          for (const log of logs) remember(BigInt(log.blockNumber), log.blockHash);
          remember(end.number, end.hash);
          store.run(
            "DELETE FROM follower_blocks WHERE name = ? AND number < ? AND number < (SELECT MAX(number) FROM follower_blocks WHERE name = ? AND number <= ?)",
            name, Number(end.number) - reorgDepth, name, Number(end.number) - reorgDepth,
          );
        });
        from = to + 1n;
      }
      return head.number;
    },
  };

  function remember(number: bigint, hash: Hex): void {
    store.run("INSERT INTO follower_blocks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hash = excluded.hash", name, Number(number), hash);
  }
}
