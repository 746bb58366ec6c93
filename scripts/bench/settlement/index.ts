import type { Suite } from "../suite.ts";
import { leafFigures } from "./leaves.ts";

export default {
  title: "Settlement",
  asked: { "leaves-per-second": ">= 8,000 on 2 cores", "memory-1e6-over-1e3": "flat" },
  run: (print) => leafFigures(print),
} satisfies Suite;
