/** The parts of the table that every keeper shares. A role adds its own lines and merges them: `{...common, ...own}`. */
import * as parse from "./parse.ts";
import type { Field, Fields } from "./table.ts";

/** Keeps the value's type while checking the shape. */
export function field<T>(definition: Field<T>): Field<T> {
  return definition;
}

export const processFields = {
  dataDir: field({ env: "OG_DATA_DIR", default: "./data", description: "Directory of this keeper's database. One keeper, one directory.", parse: parse.required }),
  logLevel: field({ env: "OG_LOG_LEVEL", default: "info", description: "debug, info, warn, error or silent.", parse: parse.oneOf("debug", "info", "warn", "error", "silent") }),
  opsListen: field({ env: "OG_OPS_LISTEN", default: "127.0.0.1:9464", description: "Address of /livez, /readyz, /metrics, /status and /tx. Loopback unless a proxy guards it.", parse: parse.listenAddress }),
  opsToken: field({ env: "OG_OPS_TOKEN", default: "", secret: true, description: "Bearer token of /status and /tx; empty closes both.", parse: parse.text }),
} satisfies Fields;

export const chainFields = {
  settlementRpc: field({ env: "OG_SETTLEMENT_RPC", description: "JSON-RPC URLs of the settlement chain, comma-separated; two or more outside of devnets.", parse: parse.list(parse.url, { min: 1 }) }),
  paymentRpc: field({ env: "OG_PAYMENT_RPC", default: "", description: "JSON-RPC URLs of the payment chain, comma-separated; empty: this keeper does not look at it.", parse: parse.list(parse.url) }),
  settlementAddresses: field({ env: "OG_SETTLEMENT_ADDRESSES", description: "The settlement chain's addresses.json.", parse: parse.required }),
  paymentAddresses: field({ env: "OG_PAYMENT_ADDRESSES", default: "", description: "The payment chain's addresses.json.", parse: parse.text }),
  rpcTimeoutMs: field({ env: "OG_RPC_TIMEOUT_MS", default: "5000", unit: "ms", description: "An endpoint that takes longer counts as failed.", parse: parse.integer({ min: 100, max: 60_000 }) }),
  pollMs: field({ env: "OG_POLL_MS", default: "1000", unit: "ms", description: "How often the head is looked at.", parse: parse.integer({ min: 50, max: 60_000 }) }),
  confirmations: field({ env: "OG_CONFIRMATIONS", default: "3", unit: "blocks", description: "Depth at which a transaction or an event counts as lasting; 1 = in a block.", parse: parse.integer({ min: 1, max: 1_000 }) }),
  reorgDepth: field({ env: "OG_REORG_DEPTH", default: "64", unit: "blocks", description: "Deepest reorganisation that is rolled back without help.", parse: parse.integer({ min: 1, max: 10_000 }) }),
} satisfies Fields;

export const signerFields = {
  keystore: field({ env: "OG_KEYSTORE", default: "", description: "Keystore v3 file of the operator's hot key.", parse: parse.text }),
  keystorePasswordFile: field({ env: "OG_KEYSTORE_PASSWORD_FILE", default: "", description: "File (or /dev/fd/N) that holds the keystore's password.", parse: parse.text }),
  devPrivateKey: field({ env: "OG_DEV_PRIVATE_KEY", default: "", secret: true, description: "Raw operator key; refused unless every chain is a devnet.", parse: parse.optional(parse.bytes32) }),
  maxFeeGwei: field({ env: "OG_MAX_FEE_GWEI", default: "200", unit: "gwei", description: "No transaction offers more per gas; above, the journal waits.", parse: parse.integer({ min: 1 }) }),
  maxTxCostWei: field({ env: "OG_MAX_TX_COST_WEI", default: "200000000000000000", unit: "wei", description: "Most that one transaction's gas may cost.", parse: parse.wholeAmount }),
  maxDayCostWei: field({ env: "OG_MAX_DAY_COST_WEI", default: "2000000000000000000", unit: "wei", description: "Most that a day's gas may cost.", parse: parse.wholeAmount }),
} satisfies Fields;

export const commonFields = { ...processFields, ...chainFields, ...signerFields } satisfies Fields;
