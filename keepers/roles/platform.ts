import type { PublicClient } from "viem";
import type { RpcPool } from "../chain/index.ts";
import type { Clock } from "../clock/index.ts";
import type { Deployment } from "../config/index.ts";
import type { Jobs } from "../jobs/index.ts";
import type { Logger } from "../logger/index.ts";
import type { Metrics } from "../metrics/index.ts";
import type { Signer } from "../signer/index.ts";
import type { Store } from "../storage/index.ts";
import type { Journal } from "../tx/index.ts";

/** One chain as a role sees it. */
export interface ChainAccess {
  readonly chainId: number;
  readonly deployment: Deployment;
  readonly pool: RpcPool;
  /** Typed reads from one endpoint. */
  readonly client: PublicClient;
  /** Typed reads that two endpoints agree on; give block numbers. */
  readonly moneyClient: PublicClient;
  readonly confirmations: number;
  readonly reorgDepth: number;
  readonly pollMs: number;
}

/** What the application gives to every role; a role takes nothing else from its surroundings. */
export interface Platform {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly store: Store;
  readonly signer: Signer;
  readonly journal: Journal;
  readonly jobs: Jobs;
  readonly settlement: ChainAccess;
  /** Null when no payment chain is configured. */
  readonly payment: ChainAccess | null;
}

/** A reason why the keeper does not take work now, or null. */
export type ReadyCheck = () => Promise<string | null> | string | null;

/** What a role gives back to the application. */
export interface Role {
  /** Checks of /readyz, by name. */
  ready: Readonly<Record<string, ReadyCheck>>;
  /** Shown by /status; no secrets. */
  status(): Promise<object> | object;
  /** Everything that needs the chain: registration, catching up. Jobs start after it. */
  start(): Promise<void>;
  /** What the operator may ask for through the token-guarded door: `POST /actions/<name>`. */
  actions?: Readonly<Record<string, () => Promise<object>>>;
  /** Milliseconds that a stop which begins now may take beyond what every keeper gets. Absent: none. */
  stopMs?(): number;
  /** Stops intake. The application stops jobs and journal after it. */
  stop(): Promise<void>;
}
