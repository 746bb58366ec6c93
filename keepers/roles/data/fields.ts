import { field, type Fields, parse } from "../../config/index.ts";

export const dataFields = {
  feeds: field({ env: "OG_FEEDS", default: "", description: "Ids of the feeds to observe, comma-separated; empty: every feed of this node's image policy.", parse: parse.list(parse.bytes32) }),
  sourceTimeoutMs: field({ env: "OG_SOURCE_TIMEOUT_MS", default: "5000", unit: "ms", description: "A source that takes longer does not count.", parse: parse.integer({ min: 100 }) }),
} satisfies Fields;
