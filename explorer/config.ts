/** `explorer.json`: what the page knows of its network before it asks anybody. The server hands it out; the page believes none of the places it names. */
import type { Address } from "viem";
import { parseDeployment } from "../sdk/network/network.ts";

export interface ChainConfig {
  /** JSON-RPC endpoint. What it says of the chain is taken on trust: docs/explorer.md. */
  rpcUrl: string;
  deployment: { chainId: number; contracts: Record<string, Address> };
  /** Block in which the deployment began; events before it are not looked for. */
  startBlock: bigint;
}

export interface ExplorerConfig {
  /** Shown in the page's head, e.g. "devnet". */
  name: string;
  settlement: ChainConfig;
  payment: ChainConfig | null;
  /** Walrus aggregators: whoever gives the right bytes. */
  aggregators: string[];
  /** Doors of full nodes (`<url>/ledger/...`): whoever gives a right proof. */
  ledgers: string[];
}

/** A configuration that is none: which field, and what was expected. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

const MAX_PLACES = 16;

/**
 * @param base What relative URLs are relative to.
 * @throws ConfigError naming the first field that is missing or of another form.
 */
export function parseConfig(json: unknown, base: string): ExplorerConfig {
  const { name, settlement, payment, aggregators, ledgers } = fieldsOf(json, "explorer.json");
  return {
    name: typeof name === "string" ? name : "network",
    settlement: chainOf(settlement, "settlement", base),
    payment: payment === undefined || payment === null ? null : chainOf(payment, "payment", base),
    aggregators: placesOf(aggregators, "aggregators", base),
    ledgers: placesOf(ledgers, "ledgers", base),
  };
}

function chainOf(value: unknown, field: string, base: string): ChainConfig {
  const { rpcUrl, deployment, startBlock } = fieldsOf(value, field);
  try {
    return { rpcUrl: urlOf(rpcUrl, `${field}.rpcUrl`, base), deployment: parseDeployment(deployment), startBlock: blockOf(startBlock, `${field}.startBlock`) };
  } catch (error) {
    throw error instanceof ConfigError ? error : new ConfigError(`${field}.deployment: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function placesOf(value: unknown, field: string, base: string): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_PLACES) throw new ConfigError(`${field} must be a list of at most ${MAX_PLACES} URLs`);
  return value.map((url, index) => urlOf(url, `${field}[${index}]`, base));
}

/** Absolute, http or https, without a slash at the end. */
function urlOf(value: unknown, field: string, base: string): string {
  const url = typeof value === "string" && URL.canParse(value, base) ? new URL(value, base) : null;
  if (!url || !/^https?:$/.test(url.protocol)) throw new ConfigError(`${field} must be an http or https URL, absolute or relative to the page`);
  return url.href.replace(/\/+$/, "");
}

function blockOf(value: unknown, field: string): bigint {
  if (value === undefined) return 0n;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw new ConfigError(`${field} must be a block number`);
  return BigInt(value);
}

function fieldsOf(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new ConfigError(`${field} must be an object`);
  return value as Record<string, unknown>;
}
