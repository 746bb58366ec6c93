import { field, type Fields, parse } from "../../config/index.ts";

export const demandFields = {
  demandAfterMs: field({ env: "OG_DEMAND_AFTER_MS", default: "600000", unit: "ms", description: "How long a posted batch's data may be missing before it is demanded on chain.", parse: parse.integer({ min: 0 }) }),
  demandsPerHeader: field({ env: "OG_DEMANDS_PER_HEADER", default: "4", description: "Demands of this node for one header, one after the other; 0: it never asks, and still answers.", parse: parse.integer({ min: 0, max: 128 }) }),
  maxDemandBond: field({ env: "OG_MAX_DEMAND_BOND", default: "50000000000000000", unit: "wei", description: "Most that one demand's bond may come to; it comes back unless the data is shown.", parse: parse.wholeAmount }),
} satisfies Fields;
