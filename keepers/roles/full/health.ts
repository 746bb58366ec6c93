/** The invariants of both chains as metrics: 1 holds, 0 does not. An alert on 0 is worth waking somebody for. */
import { type HealthAccess, escrowHealth, isInvariant, settlementHealth } from "../../../sdk/network/health.ts";
import { BatchStatus } from "../../../sdk/protocol/index.ts";
import type { ChainAccess, Platform } from "../platform.ts";
import type { FullStore } from "./store.ts";

/** Headers that one look covers: the pending ones, oldest first. */
const HEADERS = 20;

const accessOf = ({ client, deployment }: ChainAccess): HealthAccess => ({ client, address: (name) => deployment.address(name) });

export function createHealthMetrics({ settlement, payment, metrics, logger }: Platform, store: FullStore): () => Promise<void> {
  return async () => {
    const pending = [BatchStatus.Posted, BatchStatus.Certified].flatMap((status) => store.headersIn(status, HEADERS));
    const findings = [
      ...(settlement.deployment.has("HealthLens") ? await settlementHealth(accessOf(settlement), pending) : []),
      ...(payment?.deployment.has("EscrowHealth") ? await escrowHealth(accessOf(payment), payment.deployment.startBlock) : []),
    ];
    const holds = new Map<string, boolean>();
    for (const finding of findings) {
      holds.set(finding.id, (holds.get(finding.id) ?? true) && finding.ok);
      if (isInvariant(finding) && !finding.ok) logger.error({ finding }, `invariant ${finding.id} does not hold`);
    }
    for (const [id, ok] of holds) metrics.gauge("invariant_holds", ok ? 1 : 0, { id });
  };
}
