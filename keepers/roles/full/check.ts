/** Looks at the data behind headers: fetches the blob, verifies every leaf, keeps what the ledger serves. */
import { existsSync, mkdirSync } from "node:fs";
import type { Hex } from "viem";
import type { BatchReport } from "../../../sdk/batch/index.ts";
import type { ProtocolDomain } from "../../../sdk/protocol/index.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import type { WalrusClient } from "../../walrus/index.ts";
import { isKeeperError, messageOf, retryable } from "../../errors/index.ts";
import type { Platform } from "../platform.ts";
import { blobPathIn, type CheckHooks, type CheckTask, checkBatchFile } from "./batch-check.ts";
import type { Judge } from "./judge.ts";
import type { Preimages } from "./preimages.ts";
import type { SharedChecks, SharedVerdict } from "./shared-checks.ts";
import type { FullStore, HeaderRow, Verdict } from "./store.ts";
import type { VerifyPool } from "./verify-pool.ts";

export interface CheckerDeps {
  platform: Platform;
  store: FullStore;
  walrus: WalrusClient;
  pool: VerifyPool;
  domain: ProtocolDomain;
  judge: Judge;
  preimages: Preimages;
  /** Directory of the mirrored blobs. */
  blobDir: string;
  /** The queue in PostgreSQL, where one is configured. */
  sharedChecks?: () => SharedChecks | null;
}

/** Blob format without terms. */
const FIRST_FORMAT = 1;
/** Leaves above which the index keeps hashes only by the blob: a million rows serve nobody. */
const MAX_INDEXED = 100_000;

export interface BatchChecker {
  /** Checks the oldest batch that is due. Returns whether there may be more. */
  step(): Promise<boolean>;
  blobPath(hash: Hex): string;
  /** Batches whose data could not be had, and why. */
  unavailable(): Map<Hex, string>;
  /** The same batches, and since when (ms). */
  missingSince(): Map<Hex, number>;
}

export function createBatchChecker({ platform, store, walrus, pool, domain, judge, preimages, blobDir, sharedChecks }: CheckerDeps): BatchChecker {
  const { settlement, clock, metrics } = platform;
  const logger = platform.logger.child({ part: "check" });
  const registry = settlement.deployment.address("NodeRegistry");
  const retryAt = new Map<Hex, { at: number; tries: number; reason: string; since: number; absent: boolean }>();
  mkdirSync(blobDir, { recursive: true });
  const blobPath = (hash: Hex) => blobPathIn(blobDir, hash);

  async function signingKey({ header }: HeaderRow): Promise<{ keyType: number; signer: Hex }> {
    const key = await settlement.client.readContract({ address: registry, abi: iNodeRegistryAbi, functionName: "key", args: [header.keyId] });
    if (key.keyType === 1) return { keyType: key.keyType, signer: key.signer };
    const publicKey = await settlement.client.readContract({ address: registry, abi: iNodeRegistryAbi, functionName: "publicKey", args: [header.keyId] });
    return { keyType: key.keyType, signer: publicKey };
  }

  async function checkOne(row: HeaderRow): Promise<void> {
    const { hash, header } = row;
    const started = clock.now();
    const [key, nodePolicy] = await Promise.all([signingKey(row), judge.policyOf(header.nodeId)]);
    const task = { hash, header, key, domain, nodePolicy };
    const shared = await sharedVerdict(task);
    if (shared === "waiting") return;
    await mirror(row);
    const index = header.count <= MAX_INDEXED;
    const verify = (more: CheckHooks): Promise<BatchReport> => checkBatchFile(task, blobPath(hash), pool, { signatures: !shared, ...more });
    // A half-indexed batch of a run that died is overwritten row by row; a faulty one is taken out below.
    let report: BatchReport = shared && !shared.ok ? { ...shared, uses: [], unjudged: null } : await verify({
      // Not asked for beyond it: decoded leaves of a large batch would only fill the memory.
      onChunk: index ? ({ first, leaves, hashes, digests }) => {
        store.transaction(() => leaves.forEach((leaf, at) => store.addLeaf(hash, first + at, digests.slice(32 * at, 32 * at + 32), hashes.slice(32 * at, 32 * at + 32), leaf)));
      } : undefined,
      onStretch: (stretch, position) => store.addStretch(hash, position, stretch),
    });
    if (report.ok && header.format === FIRST_FORMAT) {
      // The old format carries no terms: the node that offered them may still show them.
      const book = await preimages.of(header.nodeId, [...new Set(report.uses.map(({ termsHash }) => termsHash))]);
      if (book.terms.length > 0) report = await verify({ book });
    }
    let lasting = false;
    if (report.ok) {
      const { fault, unjudged, lasting: stays } = await judge.judge(header.nodeId, report.uses);
      lasting = stays ?? false;
      report = { ...report, ok: !fault, fault, unjudged: report.unjudged ?? unjudged };
    }
    const seconds = shared?.seconds ?? (clock.now() - started) / 1000;
    const overlap = report.ok ? store.overlapOf(row) : null;
    if (overlap) {
      report.ok = false;
      report.fault = { kind: "overlap", index: null, detail: `stretch ${overlap.here} overlaps stretch ${overlap.there} of ${overlap.other}` };
    }
    const verdict: Verdict = !report.ok ? "faulty" : report.unjudged ? "unjudged" : "valid";
    const fault = report.fault ?? (report.unjudged ? { kind: lasting ? "undecidable" : "unjudged", index: null, detail: report.unjudged } : null);
    store.transaction(() => {
      // An overlap's stretches are its evidence.
      if (!report.ok && !overlap) store.forgetLeaves(hash);
      store.saveCheck({ headerHash: hash, verdict, fault, leaves: report.leaves, seconds }, clock.now());
    });
    metrics.count("batches_checked_total", { verdict });
    metrics.count("leaves_checked_total", {}, report.leaves);
    if (verdict === "valid") logger.info({ header: hash, leaves: report.leaves, seconds, worker: shared?.worker }, "batch checked: every leaf holds");
    else if (verdict === "unjudged") logger.warn({ header: hash, reason: report.unjudged }, "batch holds, but its charges cannot be judged: it is not signed for");
    else logger.warn({ header: hash, fault, worker: shared?.worker }, "batch is faulty");
  }

  /** With a shared queue the signatures are some worker's work: null without one. @throws what kept the last attempt from ending. */
  async function sharedVerdict(task: CheckTask): Promise<SharedVerdict | "waiting" | null> {
    const queue = sharedChecks?.();
    if (!queue) return null;
    await queue.queue(task);
    const state = await queue.state(task.hash);
    if (state.state === "failing") throw retryable(state.code, state.reason);
    return state.state === "done" ? state.verdict : "waiting";
  }

  /** A copy stays here until the batch can no longer be disputed. It is written and read as a stream: blobs may be large. */
  async function mirror({ hash, header }: HeaderRow): Promise<void> {
    if (!existsSync(blobPath(hash))) await walrus.download(header.blobId, blobPath(hash), { contentHash: header.contentHash });
  }

  return {
    blobPath,
    unavailable: () => new Map([...retryAt].map(([hash, { reason }]) => [hash, reason])),
    missingSince: () => new Map([...retryAt].flatMap(([hash, { since, absent }]) => (absent ? [[hash, since] as const] : []))),
    async step() {
      const due = [...store.unchecked(256), ...store.judgeable(clock.now(), 4)].filter(({ hash }) => (retryAt.get(hash)?.at ?? 0) <= clock.now());
      // Batches that wait for a worker cost a question each; batches that are checked here, their time.
      for (const row of sharedChecks?.() ? due : due.slice(0, 1)) await attempt(row);
      return due.length > 1 && !sharedChecks?.();
    },
  };

  async function attempt(row: HeaderRow): Promise<void> {
    try {
      await checkOne(row);
      retryAt.delete(row.hash);
    } catch (error) {
      const before = retryAt.get(row.hash);
      const tries = (before?.tries ?? 0) + 1;
      const pause = Math.min(300_000, 1_000 * 2 ** Math.min(tries, 9));
      const code = isKeeperError(error) ? error.code : undefined;
      retryAt.set(row.hash, { at: clock.now() + pause, tries, reason: messageOf(error), since: before?.since ?? clock.now(), absent: code?.startsWith("walrus.") ?? false });
      logger[tries > 3 ? "error" : "warn"]({ header: row.hash, tries, pause, code, reason: messageOf(error) }, "batch could not be checked yet");
    }
  }
}
