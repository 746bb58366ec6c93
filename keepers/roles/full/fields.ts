import { field, type Fields, parse, processFields } from "../../config/index.ts";
import { demandFields } from "../demands/index.ts";

export const fullFields = {
  walrusAggregators: field({ env: "OG_WALRUS_AGGREGATORS", description: "Walrus aggregator URLs, comma-separated; any honest one is enough.", parse: parse.list(parse.url, { min: 1 }) }),
  maxBlobBytes: field({ env: "OG_MAX_BLOB_BYTES", default: "268435456", unit: "bytes", description: "Largest blob that is fetched.", parse: parse.integer({ min: 1 }) }),
  checkWorkers: field({ env: "OG_CHECK_WORKERS", default: "2", description: "Worker threads that verify leaves.", parse: parse.integer({ min: 1, max: 64 }) }),
  postgres: field({ env: "OG_POSTGRES", default: "", secret: true, description: "PostgreSQL URL of a queue that several check workers share (keepers/bin/check-worker.ts); empty: this process checks alone, with SQLite.", parse: parse.text }),
  mirrorRetentionMs: field({ env: "OG_MIRROR_RETENTION_MS", default: "691200000", unit: "ms", description: "How long a decided batch's blob stays in the mirror. Not below the time in which overlaps with it can be proved (7 days on mainnet); 8 days by default.", parse: parse.integer({ min: 0 }) }),
  leaderMs: field({ env: "OG_LEADER_MS", default: "4000", unit: "ms", description: "Time that the member whose turn it is gets for carrying a certificate before the next one does.", parse: parse.integer({ min: 100 }) }),
  firstCommittee: field({ env: "OG_FIRST_COMMITTEE", default: "3", unit: "seats", description: "Seats at which the very first committee epoch is started.", parse: parse.integer({ min: 1, max: 64 }) }),
  exchangeMs: field({ env: "OG_EXCHANGE_MS", default: "1000", unit: "ms", description: "How often signatures are exchanged with the other members.", parse: parse.integer({ min: 100 }) }),
  relaySize: field({ env: "OG_RELAY_SIZE", default: "20", description: "Other nodes' heartbeats (POST /heartbeats) that make a transaction at once; 0: none are carried.", parse: parse.integer({ min: 0, max: 100 }) }),
  relayWaitMs: field({ env: "OG_RELAY_WAIT_MS", default: "30000", unit: "ms", description: "A heartbeat that was handed in waits no longer for others.", parse: parse.integer({ min: 100, max: 600_000 }) }),
  courtModels: field({ env: "OG_COURT_MODELS", default: "", description: "JSON file of int programs whose wrong answers this node proves, when payers open them: {\"models\": [{\"modelId\", \"circuit\"[, \"weights\"]}]}; empty: none.", parse: parse.text }),
  explorer: field({ env: "OG_EXPLORER", default: "", description: "Directory of a built explorer with its explorer.json (docs/explorer.md), served under /explorer/; empty: none.", parse: parse.text }),
  proofTimeoutMs: field({ env: "OG_PROOF_TIMEOUT_MS", default: "300000", unit: "ms", description: "Time that the prover gets for one proof.", parse: parse.integer({ min: 1_000 }) }),
  proofMemoryMb: field({ env: "OG_PROOF_MEMORY_MB", default: "4096", unit: "MiB", description: "Memory that the prover gets.", parse: parse.integer({ min: 256 }) }),
  ...demandFields,
} satisfies Fields;

/** A check worker's table: it knows no chain and holds no key. */
export const checkWorkerFields = {
  dataDir: field({ env: "OG_DATA_DIR", default: "./data", description: "Directory of this worker's blobs, while it checks them.", parse: parse.required }),
  logLevel: processFields.logLevel,
  postgres: field({ env: "OG_POSTGRES", secret: true, description: "PostgreSQL URL of the queue that the full node fills.", parse: parse.required }),
  walrusAggregators: fullFields.walrusAggregators,
  maxBlobBytes: fullFields.maxBlobBytes,
  checkWorkers: fullFields.checkWorkers,
} satisfies Fields;
