/** The inference node answers demands for its own batches from its store: the blob may be gone, what was signed is not. */
import { encodeBatchStream } from "../../../sdk/batch/index.ts";
import type { ProtocolDomain } from "../../../sdk/protocol/index.ts";
import { createDemandWork, type DemandWork } from "../demands/index.ts";
import type { Platform } from "../platform.ts";
import type { InferenceLedger } from "./ledger.ts";

export function ownDemands(platform: Platform, ledger: InferenceLedger, domain: ProtocolDomain): DemandWork {
  const stored = (hash: string) => ledger.headersIn("posted").find((item) => item.hash === hash && item.kind === "batch");
  return createDemandWork(platform, {
    domain,
    maxBond: 0n,
    header: (hash) => stored(hash)?.header,
    blob: (hash) => {
      const own = stored(hash);
      if (!own) return null;
      const { nodeId, keyId, count } = own.header;
      const leaves = () => ledger.receiptsOf(own.nonce);
      return () => encodeBatchStream({ nodeId, keyId, count, leaves: leaves(), stretches: own.stretches, compress: false });
    },
    missing: () => [],
    policy: { askAfterMs: 0, maxPerHeader: 0, turn: () => true },
  });
}
