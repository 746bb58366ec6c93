/** Proves the faults that this node found: commits to the report, then opens it, so that nobody takes it from the mempool. */
import type { Hex } from "viem";
import { iFaultCourtAbi } from "../../../types/abi/IFaultCourt.ts";
import type { Platform } from "../platform.ts";
import { candidates, overlapEvidence, type Report } from "./evidence.ts";
import { createOpener, type OpenerDeps } from "./opener.ts";
import { createProsecutor } from "./prosecute.ts";
import type { HeaderRow } from "./store.ts";

export interface Accuser {
  step(): Promise<void>;
}

export function createAccuser({ platform, ...deps }: OpenerDeps & { platform: Platform }): Accuser {
  const { store } = deps;
  const { settlement } = platform;
  const logger = platform.logger.child({ part: "accuse" });
  if (!settlement.deployment.has("FaultCourt")) return { step: async () => {} };
  const contract = { address: settlement.deployment.address("FaultCourt"), abi: iFaultCourtAbi } as const;
  const openerOf = createOpener(deps);
  const prosecute = createProsecutor({ ...platform, logger });
  const hopeless = new Set<Hex>();

  /** The report that the court takes, or null. */
  async function reportOf(row: HeaderRow): Promise<Report | null> {
    const fault = store.check(row.hash)?.fault;
    if (!fault) return null;
    const overlap = store.overlapOf(row);
    const other = overlap && store.header(overlap.other);
    const reports = overlap && other ? [overlapEvidence(store.stretches(row.hash), other, store.stretches(overlap.other), overlap)] : await candidates(fault, row.header, openerOf(row));
    for (const report of reports) {
      if (await settlement.client.readContract({ ...contract, functionName: "check", args: [row.header, report.kind, report.evidence] }).catch(() => false)) return report;
    }
    return null;
  }

  async function accuse(row: HeaderRow): Promise<void> {
    const report = await reportOf(row);
    if (!report) {
      // Roots that the data does not lead to: only a demand for the data decides those.
      logger.error({ header: row.hash, fault: store.check(row.hash)?.fault }, "faulty batch that no opening proves: ask for its leaves");
      return void hopeless.add(row.hash);
    }
    await prosecute(row, report);
  }

  return {
    async step() {
      for (const row of store.accusable(16)) if (!hopeless.has(row.hash)) await accuse(row);
    },
  };
}
