/** Demands of a full node: for data that it cannot get or that leads nowhere, and for honest posters whose data it keeps. */
import { createReadStream, existsSync } from "node:fs";
import type { Hex } from "viem";
import { BatchStatus, type ProtocolDomain } from "../../../sdk/protocol/index.ts";
import { createDemandWork, type DemandWork } from "../demands/index.ts";
import type { Platform } from "../platform.ts";
import type { BatchChecker } from "./check.ts";
import { myTurn, seatOf } from "./statements.ts";
import type { FullStore } from "./store.ts";

export interface FullDemandOptions {
  demandAfterMs: number;
  demandsPerHeader: number;
  maxDemandBond: bigint;
  leaderMs: number;
}

/** Faults of a blob that no opening proves, since there is nothing that opens to the header's roots. */
const UNOPENABLE: ReadonlySet<string> = new Set(["format", "wrong-node", "count", "receipts-root", "channels-root"]);
const PENDING: ReadonlySet<number> = new Set([BatchStatus.Posted, BatchStatus.Certified]);

export function createFullDemands(platform: Platform, store: FullStore, checker: BatchChecker, domain: ProtocolDomain, options: FullDemandOptions): DemandWork {
  const { clock, signer } = platform;
  const unopenableSince = new Map<Hex, number>();

  function missing() {
    const absent = [...checker.missingSince()];
    const unopenable = store.accusable(64).filter(({ hash }) => UNOPENABLE.has(store.check(hash)?.fault?.kind ?? ""));
    for (const { hash } of unopenable) if (!unopenableSince.has(hash)) unopenableSince.set(hash, clock.now());
    return [...absent, ...unopenable.map(({ hash }) => [hash, unopenableSince.get(hash)!] as const)].flatMap(([hash, since]) => {
      const row = store.header(hash);
      return row && PENDING.has(row.status) ? [{ hash, header: row.header, since }] : [];
    });
  }

  return createDemandWork(platform, {
    domain,
    maxBond: options.maxDemandBond,
    header: (hash) => store.header(hash)?.header,
    blob: (hash) => (existsSync(checker.blobPath(hash)) ? () => createReadStream(checker.blobPath(hash)) : null),
    missing,
    policy: {
      askAfterMs: options.demandAfterMs,
      maxPerHeader: options.demandsPerHeader,
      // The poster goes first; then the committee's members take turns, and everybody else comes last.
      turn(hash, sinceMs) {
        const epoch = store.lastEpoch();
        const size = epoch?.members.length ?? 0;
        const seat = seatOf(epoch, signer.address);
        const since = sinceMs - options.leaderMs;
        return seat >= 0 ? myTurn(hash, seat, size, since, options.leaderMs) : since >= size * options.leaderMs;
      },
    },
  });
}
