import { field, type Fields, parse } from "../../config/index.ts";

/** What an inference node needs beside the common table and the node's. */
export const inferenceFields = {
  models: field({ env: "OG_MODELS", description: "JSON file: which model versions are served, at which price. See docs/operator/keepers.md.", parse: parse.required }),
  upstreamUrl: field({ env: "OG_UPSTREAM_URL", default: "", description: "OpenAI-compatible server behind chat models, without /v1; empty: the embedded demonstration model.", parse: parse.optional(parse.url) }),
  upstreamKey: field({ env: "OG_UPSTREAM_KEY", default: "", secret: true, description: "Bearer token for the upstream.", parse: parse.text }),
  walrusPublisher: field({ env: "OG_WALRUS_PUBLISHER", description: "Walrus publisher URL: where batches go.", parse: parse.url }),
  walrusAggregators: field({ env: "OG_WALRUS_AGGREGATORS", description: "Walrus aggregator URLs, comma-separated; any honest one is enough.", parse: parse.list(parse.url, { min: 1 }) }),
  paymentToken: field({ env: "OG_PAYMENT_TOKEN", default: "", description: "Token that prices are in; empty: the deployment's TestDollar (devnets).", parse: parse.optional(parse.address) }),
  feeBpsCap: field({ env: "OG_FEE_BPS_CAP", default: "500", unit: "hundredths of a percent", description: "Highest protocol fee that this node's terms accept.", parse: parse.integer({ min: 0, max: 500 }) }),
  withdrawDelay: field({ env: "OG_WITHDRAW_DELAY", default: "86400", unit: "s", description: "Withdraw delay of channels that this node takes; a day or more outside of devnets.", parse: parse.integer({ min: 900, max: 2_592_000 }) }),
  maxUnclaimed: field({ env: "OG_MAX_UNCLAIMED", default: "50000000", unit: "smallest token unit", description: "Delivered and not claimed, per payer; beyond it the node answers 429.", parse: parse.wholeAmount }),
  vault: field({ env: "OG_VAULT", default: "", description: "The node's NodeVault: where `upto` and `exact` payments go, which no escrow protects; empty: only channels are taken.", parse: parse.optional(parse.address) }),
  singleCap: field({ env: "OG_SINGLE_CAP", default: "1000000", unit: "smallest token unit", description: "Most of one unprotected payment.", parse: parse.wholeAmount }),
  claimExposure: field({ env: "OG_CLAIM_EXPOSURE", default: "", unit: "smallest token unit", description: "A channel with so much delivered and not claimed is claimed at once; empty: half of OG_MAX_UNCLAIMED.", parse: parse.optional(parse.wholeAmount) }),
  claimGasGwei: field({ env: "OG_CLAIM_MAX_GAS_GWEI", default: "0", unit: "gwei", description: "Claims that are due by age alone wait while gas is dearer, up to twice the age; 0: they never wait.", parse: parse.integer({ min: 0, max: 100_000 }) }),
  claimAgeMs: field({ env: "OG_CLAIM_AGE_MS", default: "600000", unit: "ms", description: "Charges are claimed at this age, whatever their sum.", parse: parse.integer({ min: 500 }) }),
  batchSize: field({ env: "OG_BATCH_SIZE", default: "1000", description: "Receipts that make a batch at once.", parse: parse.integer({ min: 1, max: 1_000_000 }) }),
  batchIdleMs: field({ env: "OG_BATCH_IDLE_MS", default: "300000", unit: "ms", description: "A batch closes when no receipt came for so long.", parse: parse.integer({ min: 100 }) }),
  batchAgeMs: field({ env: "OG_BATCH_AGE_MS", default: "900000", unit: "ms", description: "A batch closes when its oldest receipt is this old.", parse: parse.integer({ min: 100 }) }),
  settleSize: field({ env: "OG_SETTLE_SIZE", default: "50", description: "Most receipts in one individual settlement.", parse: parse.integer({ min: 1, max: 100 }) }),
  maxBodyBytes: field({ env: "OG_MAX_BODY_BYTES", default: "2097152", unit: "bytes", description: "Largest request body.", parse: parse.integer({ min: 1_024 }) }),
  answerTimeoutMs: field({ env: "OG_ANSWER_TIMEOUT_MS", default: "120000", unit: "ms", description: "Time that a model gets for one answer.", parse: parse.integer({ min: 100 }) }),
  proofTimeoutMs: field({ env: "OG_PROOF_TIMEOUT_MS", default: "300000", unit: "ms", description: "Time that the prover gets for one proof.", parse: parse.integer({ min: 1_000 }) }),
  proofMemoryMb: field({ env: "OG_PROOF_MEMORY_MB", default: "4096", unit: "MiB", description: "Memory that the prover gets.", parse: parse.integer({ min: 256 }) }),
} satisfies Fields;
