import type { Chain } from "../net.ts";

/** Seconds of blocks, by their number. */
export async function timesOf({ client }: Chain, blocks: readonly bigint[]): Promise<Map<bigint, bigint>> {
  const wanted = [...new Set(blocks)];
  const found = await Promise.all(wanted.map((blockNumber) => client.getBlock({ blockNumber })));
  return new Map(found.map((block, index) => [wanted[index]!, block.timestamp]));
}
