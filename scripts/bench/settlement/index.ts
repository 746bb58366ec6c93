import type { Suite } from "../suite.ts";
import { ASKED, gasFigures } from "./gas.ts";
import { leafFigures } from "./leaves.ts";

export default {
  title: "Settlement: gas on a simulated chain with Osaka rules, and a full node's leaves",
  asked: { ...ASKED, "leaves-per-second": ">= 8,000 on 2 cores", "memory-1e6-over-1e3": "flat, near 1" },
  run: async (print) => ({ ...(await gasFigures(print)), ...(await leafFigures(print)) }),
} satisfies Suite;
