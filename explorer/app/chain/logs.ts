/** Events, newest first, in windows that the endpoint can bear. */
import { type Abi, type Address, type ContractEventName, type Hex, type Log, type ParseEventLogsReturnType, encodeEventTopics, numberToHex, parseEventLogs } from "viem";
import type { Chain } from "../net.ts";

/** Widest and narrowest look, blocks. Public endpoints take from 500 to 100,000. */
const [FIRST, WIDEST, NARROWEST] = [20_000n, 320_000n, 500n];
/** Looks of one call: what lies farther back is asked for by the reader, not fetched unasked. */
const MAX_LOOKS = 60;

export interface EventFilter<abi extends Abi, name extends ContractEventName<abi>> {
  address: Address;
  abi: abi;
  names: readonly name[];
  /** Second topic and following; null for any. */
  topics?: readonly (Hex | null)[];
}

export interface LogPage<T> {
  /** Newest first. */
  events: T[];
  /** Block above which everything was seen; null when all was. */
  next: bigint | null;
}

/**
 * Events at or below `from`, until there are `enough`. Whole blocks: a page may hold some more than asked for.
 * @throws What the endpoint says, when even a narrow window is refused.
 */
export async function eventsBackwards<const abi extends Abi, name extends ContractEventName<abi>>(
  chain: Chain,
  { address, abi, names, topics = [] }: EventFilter<abi, name>,
  { from, to = chain.startBlock, enough = Infinity, signal }: { from?: bigint; to?: bigint; enough?: number; signal?: AbortSignal } = {},
): Promise<LogPage<ParseEventLogsReturnType<abi, name[], true>[number]>> {
  const first = names.map((eventName) => encodeEventTopics({ abi: abi as Abi, eventName })[0] as Hex);
  const events: ParseEventLogsReturnType<abi, name[], true>[number][] = [];
  let top = from ?? (await chain.client.getBlockNumber());
  let width = FIRST;
  for (let look = 0; top >= to && look < MAX_LOOKS; look++) {
    signal?.throwIfAborted();
    const bottom = top - width + 1n > to ? top - width + 1n : to;
    let logs: Log[];
    try {
      const raw = await chain.client.request({ method: "eth_getLogs", params: [{ address, topics: [first, ...topics], fromBlock: numberToHex(bottom), toBlock: numberToHex(top) }] });
      logs = raw.map((log) => ({ ...log, blockNumber: BigInt(log.blockNumber!), logIndex: Number(log.logIndex), transactionIndex: Number(log.transactionIndex) })) as unknown as Log[];
    } catch (error) {
      if (width <= NARROWEST) throw error;
      width = width / 4n < NARROWEST ? NARROWEST : width / 4n;
      continue;
    }
    // What the contract's interface does not know, or does not decode, is no event of it.
    events.push(...(parseEventLogs({ abi: abi as Abi, eventName: names as never, logs, strict: true }) as unknown as typeof events).reverse());
    top = bottom - 1n;
    if (events.length >= enough) break;
    if (width < WIDEST) width *= 2n;
  }
  return { events, next: top >= to ? top : null };
}
