/**
 * Several endpoints as one chain. Ordinary reads go to the best endpoint and fail over; reads on which money depends
 * need the same answer from two of them; transactions go to all. An endpoint counts only after it has shown the right
 * chain id and genesis block.
 */
import type { Hex } from "viem";
import type { Clock } from "../clock/index.ts";
import { isDevnet } from "../config/devnets.ts";
import { fatal, isRetryable, messageOf, retryable } from "../errors/index.ts";
import type { Logger } from "../logger/index.ts";
import { RpcAnswerError, type RpcEndpoint } from "./endpoint.ts";

export interface Head {
  number: bigint;
  hash: Hex;
  /** Seconds: the chain's own time. */
  timestamp: bigint;
  baseFeePerGas: bigint;
}

export interface SendOutcome {
  endpoint: string;
  /** Absent when the endpoint took the transaction. */
  error?: unknown;
}

export interface EndpointHealth {
  name: string;
  healthy: boolean;
  lagging: boolean;
  latencyMs: number;
  failures: number;
  head: bigint | null;
}

export interface RpcPool {
  readonly chainId: number;
  /** One answer, from the best endpoint that gives one. */
  request<T = unknown>(method: string, params?: readonly unknown[]): Promise<T>;
  /** The same answer from two endpoints (from one, where only one is configured). `pick` keeps what must be equal. */
  agree<T = unknown>(method: string, params?: readonly unknown[], pick?: (result: T) => unknown): Promise<T>;
  /** Sends to every usable endpoint; never throws for what a single one says. */
  sendToAll(raw: Hex): Promise<SendOutcome[]>;
  /** The newest block that enough endpoints have reached. */
  head(): Promise<Head>;
  health(): EndpointHealth[];
}

export interface PoolOptions {
  chainId: number;
  endpoints: readonly RpcEndpoint[];
  clock: Clock;
  logger: Logger;
  timeoutMs?: number;
  genesisHash?: Hex;
  /** Blocks behind the best head at which an endpoint is only a last resort. */
  maxLag?: bigint;
}

interface State {
  endpoint: RpcEndpoint;
  verified: boolean;
  refused: string | null;
  latencyMs: number;
  failures: number;
  restUntil: number;
  head: bigint | null;
  lagging: boolean;
}

const MAX_REST_MS = 30_000;
/** Answers that another endpoint may not give: rate limits and internal failures without revert data. */
const TRY_ELSEWHERE = new Set([-32005, -32603, -32000, 429]);

export function createPool(options: PoolOptions): RpcPool {
  const { chainId, clock, logger, timeoutMs = 5_000, maxLag = 3n } = options;
  if (options.endpoints.length === 0) throw fatal("chain.no_endpoint", `Chain ${chainId} has no RPC endpoint.`, { chainId });
  if (options.endpoints.length === 1 && !isDevnet(chainId)) {
    throw fatal("chain.one_endpoint", `Chain ${chainId} needs two or more RPC endpoints: money never hangs on one endpoint's word.`, { chainId });
  }
  const states: State[] = options.endpoints.map((endpoint) => ({
    endpoint, verified: false, refused: null, latencyMs: 0, failures: 0, restUntil: 0, head: null, lagging: false,
  }));
  const quorum = Math.min(2, states.length);
  let genesisHash = options.genesisHash?.toLowerCase();

  async function rawCall(state: State, method: string, params: readonly unknown[]): Promise<unknown> {
    const started = clock.now();
    const abort = new AbortController();
    const timer = new AbortController();
    try {
      const timeout = clock.sleep(timeoutMs, timer.signal).then(() => {
        abort.abort();
        throw retryable("chain.timeout", `${state.endpoint.name} took more than ${timeoutMs} ms for ${method}.`, { endpoint: state.endpoint.name, method });
      });
      timeout.catch(() => {});
      const result = await Promise.race([state.endpoint.call(method, params, abort.signal), timeout]);
      succeeded(state, clock.now() - started);
      return result;
    } catch (error) {
      if (error instanceof RpcAnswerError) succeeded(state, clock.now() - started);
      else failed(state, error);
      throw error;
    } finally {
      timer.abort();
    }
  }

  function succeeded(state: State, tookMs: number): void {
    state.failures = 0;
    state.restUntil = 0;
    state.latencyMs = state.latencyMs === 0 ? tookMs : state.latencyMs * 0.8 + tookMs * 0.2;
  }

  function failed(state: State, error: unknown): void {
    state.failures++;
    state.verified = false;
    state.restUntil = clock.now() + Math.min(MAX_REST_MS, 250 * 2 ** Math.min(state.failures, 10));
    logger.debug({ endpoint: state.endpoint.name, failures: state.failures, error: messageOf(error) }, "endpoint failed");
  }

  /** An endpoint that came back may be another chain: it shows id and genesis again. */
  async function verify(state: State): Promise<void> {
    if (state.verified) return;
    const { name } = state.endpoint;
    const id = Number(await rawCall(state, "eth_chainId", []));
    const genesis = (await rawCall(state, "eth_getBlockByNumber", ["0x0", false])) as { hash?: Hex } | null;
    const hash = genesis?.hash?.toLowerCase();
    const wrong = id !== chainId ? `chain id ${id} instead of ${chainId}` : genesisHash && hash !== genesisHash ? `genesis ${hash} instead of ${genesisHash}` : null;
    if (wrong) {
      if (state.refused !== wrong) logger.error({ endpoint: name }, `endpoint refused: ${wrong}`);
      state.refused = wrong;
      state.restUntil = clock.now() + MAX_REST_MS;
      throw retryable("chain.wrong_chain", `${name} shows ${wrong}.`, { endpoint: name });
    }
    genesisHash ??= hash;
    state.refused = null;
    state.verified = true;
  }

  async function call(state: State, method: string, params: readonly unknown[]): Promise<unknown> {
    await verify(state);
    return rawCall(state, method, params);
  }

  /** Best first; resting ones last, so that with all down the pool still tries. */
  function ranked(): State[] {
    const now = clock.now();
    const weight = (state: State) => (state.restUntil > now ? 1e9 + state.restUntil - now : 0) + (state.lagging ? 1e6 : 0) + state.latencyMs;
    return states.map((state, index) => ({ state, index, weight: weight(state) })).sort((a, b) => a.weight - b.weight || a.index - b.index).map(({ state }) => state);
  }

  function usable(): State[] {
    const now = clock.now();
    const rested = states.filter((state) => state.restUntil <= now);
    return rested.length >= quorum ? rested : states;
  }

  const pool: RpcPool = {
    chainId,
    async request<T>(method: string, params: readonly unknown[] = []) {
      let last: unknown;
      for (const state of ranked()) {
        try {
          return (await call(state, method, params)) as T;
        } catch (error) {
          last = error;
          if (error instanceof RpcAnswerError) {
            if (!TRY_ELSEWHERE.has(error.code) || error.data !== undefined) throw error;
          } else if (!isRetryable(error)) throw error;
        }
      }
      if (last instanceof RpcAnswerError) throw last;
      throw retryable("chain.unreachable", `No endpoint of chain ${chainId} answered ${method}.`, { chainId, method }, { cause: last });
    },

    async agree<T>(method: string, params: readonly unknown[] = [], pick: (result: T) => unknown = (result) => result) {
      const votes = new Map<string, { count: number; result?: T; error?: unknown }>();
      await Promise.all(
        usable().map(async (state) => {
          try {
            const result = (await call(state, method, params)) as T;
            vote(votes, `ok ${stableJson(pick(result))}`, { result });
          } catch (error) {
            if (error instanceof RpcAnswerError) vote(votes, `error ${error.code} ${stableJson(error.data)}`, { error });
          }
        }),
      );
      const agreed = [...votes.values()].filter(({ count }) => count >= quorum).sort((a, b) => b.count - a.count);
      // Two answers with a quorum each are as good as none.
      if (agreed.length !== 1) {
        throw retryable("chain.no_quorum", `Endpoints of chain ${chainId} do not agree on ${method}.`, { chainId, method, answers: votes.size, quorum });
      }
      if (agreed[0]!.error) throw agreed[0]!.error;
      return agreed[0]!.result as T;
    },

    async sendToAll(raw) {
      return Promise.all(
        usable().map(async (state) => {
          try {
            await call(state, "eth_sendRawTransaction", [raw]);
            return { endpoint: state.endpoint.name };
          } catch (error) {
            return { endpoint: state.endpoint.name, error };
          }
        }),
      );
    },

    async head() {
      const heads = (
        await Promise.all(
          usable().map(async (state) => {
            try {
              const head = parseHead(await call(state, "eth_getBlockByNumber", ["latest", false]));
              state.head = head.number;
              return { state, head };
            } catch {
              return null;
            }
          }),
        )
      ).filter((item) => item !== null);
      if (heads.length === 0) throw retryable("chain.unreachable", `No endpoint of chain ${chainId} gives its head.`, { chainId });
      heads.sort((a, b) => (a.head.number < b.head.number ? 1 : a.head.number > b.head.number ? -1 : 0));
      // The best that enough have reached: one that runs ahead alone may be making it up.
      const chosen = heads[Math.min(quorum, heads.length) - 1]!.head;
      for (const { state, head } of heads) state.lagging = head.number + maxLag < chosen.number;
      return chosen;
    },

    health: () =>
      states.map((state) => ({
        name: state.endpoint.name,
        healthy: state.restUntil <= clock.now() && state.refused === null,
        lagging: state.lagging,
        latencyMs: Math.round(state.latencyMs),
        failures: state.failures,
        head: state.head,
      })),
  };
  return pool;
}

function vote<T>(votes: Map<string, { count: number; result?: T; error?: unknown }>, key: string, answer: { result?: T; error?: unknown }): void {
  const entry = votes.get(key);
  if (entry) entry.count++;
  else votes.set(key, { count: 1, ...answer });
}

/** @throws `chain.endpoint` when it is not a block. */
export function parseHead(block: unknown): Head {
  const { number, hash, timestamp, baseFeePerGas } = (block ?? {}) as Record<string, Hex | undefined>;
  if (!number || !hash || !timestamp) throw retryable("chain.endpoint", "A block without number, hash or time came back.");
  return { number: BigInt(number), hash, timestamp: BigInt(timestamp), baseFeePerGas: BigInt(baseFeePerGas ?? "0x0") };
}

/** JSON with sorted keys, so that two servers' habits do not look like two answers. */
function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    item !== null && typeof item === "object" && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item as Record<string, unknown>).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  ) ?? "undefined";
}
