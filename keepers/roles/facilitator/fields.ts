import { field, type Fields, parse } from "../../config/index.ts";

/** What a facilitator needs beside the common table. */
export const facilitatorFields = {
  listen: field({ env: "OG_LISTEN", default: "127.0.0.1:4021", description: "Address of /verify, /settle and /supported. Plain HTTP: put TLS in front of it.", parse: parse.listenAddress }),
  paymentToken: field({ env: "OG_PAYMENT_TOKEN", default: "", description: "The token that it takes; empty: the deployment's TestDollar (devnets).", parse: parse.optional(parse.address) }),
  maxAmount: field({ env: "OG_MAX_PAYMENT", default: "100000000", unit: "smallest token unit", description: "Most of one payment or deposit.", parse: parse.wholeAmount }),
  maxPending: field({ env: "OG_MAX_PENDING", default: "64", description: "Settlements at a time; beyond it the answer is 429 with Retry-After.", parse: parse.integer({ min: 1, max: 10_000 }) }),
} satisfies Fields;
