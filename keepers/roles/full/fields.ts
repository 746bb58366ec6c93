import { field, type Fields, parse } from "../../config/index.ts";

export const fullFields = {
  walrusAggregators: field({ env: "OG_WALRUS_AGGREGATORS", description: "Walrus aggregator URLs, comma-separated; any honest one is enough.", parse: parse.list(parse.url, { min: 1 }) }),
  maxBlobBytes: field({ env: "OG_MAX_BLOB_BYTES", default: "268435456", unit: "bytes", description: "Largest blob that is fetched.", parse: parse.integer({ min: 1 }) }),
  checkWorkers: field({ env: "OG_CHECK_WORKERS", default: "2", description: "Worker threads that verify leaves.", parse: parse.integer({ min: 1, max: 64 }) }),
  leaderMs: field({ env: "OG_LEADER_MS", default: "4000", unit: "ms", description: "Time that the member whose turn it is gets for carrying a certificate before the next one does.", parse: parse.integer({ min: 100 }) }),
  firstCommittee: field({ env: "OG_FIRST_COMMITTEE", default: "3", unit: "seats", description: "Seats at which the very first committee epoch is started.", parse: parse.integer({ min: 1, max: 64 }) }),
  exchangeMs: field({ env: "OG_EXCHANGE_MS", default: "1000", unit: "ms", description: "How often signatures are exchanged with the other members.", parse: parse.integer({ min: 100 }) }),
} satisfies Fields;
