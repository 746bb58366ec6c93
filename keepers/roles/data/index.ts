/** The data node: observes outside facts and brings them on chain, signed by its attested key. */
import { type Abi, type Hex, bytesToHex, encodeFunctionData, keccak256, toHex } from "viem";
import { type FeedDefinition, type Observation, observationDigest, Role as ProtocolRole } from "../../../sdk/protocol/index.ts";
import { iDataFeedsAbi } from "../../../types/abi/IDataFeeds.ts";
import { type Deployment, isDevnet } from "../../config/index.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { type HttpServer, jsonResponse, serve, type TlsIdentity } from "../../http/index.ts";
import { type PolicyRule, rulesFor } from "../../signer/index.ts";
import { intentKey } from "../../tx/index.ts";
import { createNodeIdentity, type EvidenceMaker, nodeRules } from "../node/index.ts";
import type { Platform, Role } from "../platform.ts";
import { decideFeed, type FeedStep } from "./decide.ts";
import { observeSources } from "./sources.ts";
import { observationStore } from "./store.ts";

export { dataFields } from "./fields.ts";

export interface DataRoleOptions {
  /** Empty: every feed of the node's policy. */
  feeds: readonly Hex[];
  sourceTimeoutMs: number;
  listen: { host: string; port: number };
  endpoint?: string;
  tls: TlsIdentity;
  node: { payout: `0x${string}`; policyId: Hex; bond: bigint; nodeId?: Hex; makeEvidence: EvidenceMaker; heartbeatMs: number; relays?: readonly Hex[] };
}

/** What a data node's hot key may sign. */
export function dataRules({ settlement }: { settlement: Deployment }): PolicyRule[] {
  return [...nodeRules(settlement), ...rulesFor(settlement.chainId, settlement.address("DataFeeds"), iDataFeedsAbi as unknown as Abi, ["commit", "reveal", "close"])];
}

const PAGE = 100n;
const REFRESH_MS = 15_000;

export function createDataRole(platform: Platform, options: DataRoleOptions): Role {
  const { settlement, signer, journal, clock, metrics, jobs } = platform;
  const logger = platform.logger.child({ part: "feeds" });
  const address = settlement.deployment.address("DataFeeds");
  const contract = { address, abi: iDataFeedsAbi } as const;
  const domain = { chainId: settlement.chainId, verifyingContract: address };
  const observations = observationStore(platform.store);
  let definitions = new Map<Hex, FeedDefinition>();
  let definitionsAt = -Infinity;
  let server: HttpServer | null = null;
  let identity: ReturnType<typeof createNodeIdentity> | null = null;

  async function refreshFeeds(): Promise<void> {
    if (clock.now() - definitionsAt < REFRESH_MS) return;
    const ids = options.feeds.length > 0 ? [...options.feeds] : await allFeeds();
    const found = await Promise.all(ids.map(async (id) => [id, await settlement.client.readContract({ ...contract, functionName: "definition", args: [id] })] as const));
    definitions = new Map(found.filter(([, definition]) => options.feeds.length > 0 || definition.policyId === options.node.policyId));
    definitionsAt = clock.now();
  }

  async function allFeeds(): Promise<Hex[]> {
    const ids: Hex[] = [];
    for (let cursor = 0n; ; ) {
      const [page, next] = await settlement.client.readContract({ ...contract, functionName: "feeds", args: [cursor, PAGE] });
      ids.push(...page);
      if (next === 0n) return ids;
      cursor = next;
    }
  }

  async function send(method: "commit" | "reveal" | "close", args: readonly unknown[], subject: string): Promise<boolean> {
    try {
      const data = encodeFunctionData({ abi: iDataFeedsAbi as unknown as Abi, functionName: method, args });
      const key = intentKey(platform.name, settlement.chainId, address, method, subject);
      const { receipt } = await journal.submit({ key, chainId: settlement.chainId, to: address, data, label: method, abi: iDataFeedsAbi as unknown as Abi, again: true });
      logger.debug({ method, subject, tx: receipt.transactionHash, gas: receipt.gasUsed }, `${method} is on chain`);
      return true;
    } catch (error) {
      if (!isKeeperError(error) || error.family === "retryable") throw error;
      logger.warn({ method, subject, reason: messageOf(error) }, `${method} was refused`);
      return false;
    }
  }

  /** Asks the sources and signs what they say: stored before anything of it leaves the process. */
  async function observe(feedId: Hex, definition: FeedDefinition): Promise<Observation | null> {
    const { value, evidenceHash, answered } = await observeSources(definition, { timeoutMs: options.sourceTimeoutMs, allowPlain: isDevnet(settlement.chainId) });
    // The round is that of the moment after the sources answered; observedAt is the chain's time, which the contract compares.
    const observedAt = (await settlement.pool.head()).timestamp;
    const round = observedAt / BigInt(definition.period);
    if (observations.get(feedId, round)) return null;
    const key = identity!.current();
    const observation: Observation = { feedId, round, nodeId: key.nodeId, keyId: key.keyId, value, observedAt, evidenceHash, salt: bytesToHex(clock.randomBytes(32)) };
    const signature = await key.sign(observationDigest(observation, domain));
    observations.add(observation, signature);
    metrics.count("observations_total", { feed: definition.name });
    logger.info({ feed: definition.name, round, value, answered }, "observed");
    return observation;
  }

  async function take(feedId: Hex, definition: FeedDefinition, step: FeedStep): Promise<void> {
    const subject = (round: bigint) => `${feedId}:${round}`;
    if (step.kind === "observe") {
      const observation = await observe(feedId, definition);
      if (observation && step.commit) await take(feedId, definition, { kind: "commit", round: observation.round });
      else if (observation) await take(feedId, definition, { kind: "reveal", round: observation.round });
      return;
    }
    const entry = observations.get(feedId, step.round)!;
    if (step.kind === "miss") {
      metrics.count("observations_missed_total", { feed: definition.name });
      return observations.move(feedId, step.round, "missed");
    }
    if (step.kind === "commit") {
      const commitment = observationDigest(entry.observation, domain);
      if (await send("commit", [feedId, step.round, entry.observation.nodeId, commitment], subject(step.round))) observations.move(feedId, step.round, "committed");
      return;
    }
    if (step.kind === "reveal") {
      const ok = await send("reveal", [entry.observation, entry.signature], subject(step.round));
      return observations.move(feedId, step.round, ok ? "revealed" : "missed");
    }
    await send("close", [feedId, step.round], subject(step.round));
    observations.move(feedId, step.round, "closed");
  }

  async function work(): Promise<void> {
    await refreshFeeds();
    const { timestamp } = await settlement.pool.head();
    await Promise.all(
      [...definitions].map(async ([feedId, definition]) => {
        const steps = decideFeed({ now: timestamp, period: BigInt(definition.period), minOperators: definition.minOperators, rounds: observations.recent(feedId) });
        for (const step of steps) {
          // One feed's dead source does not stop the others.
          await take(feedId, definition, step).catch((error: unknown) => logger.warn({ feed: definition.name, step: step.kind, reason: messageOf(error) }, "feed step failed"));
        }
      }),
    );
  }

  function fetch(request: Request): Response {
    const { pathname } = new URL(request.url);
    if (pathname === "/health") return jsonResponse({ status: "OK" });
    if (pathname === "/feeds") return jsonResponse({ feeds: [...definitions].map(([id, definition]) => ({ id, ...definition, last: observations.recent(id).at(-1) ?? null })) });
    return jsonResponse({ error: { code: "data.not_found", message: "No such page." } }, 404);
  }

  return {
    ready: { node: () => (identity ? identity.ready() : "not registered yet") },
    status: () => ({ url: server?.url ?? null, node: identity?.status() ?? null, feeds: [...definitions].map(([id, { name }]) => ({ id, name })) }),
    async start() {
      server ??= await serve({ fetch, ...options.listen, tls: options.tls });
      identity ??= createNodeIdentity(platform, {
        ...options.node, role: ProtocolRole.Data, workload: keccak256(toHex("og.data")), paymentAuthorizer: signer.address,
        endpoint: options.endpoint ?? server.url, tlsSpkiHash: options.tls.spkiHash, hpkeKeyHash: `0x${"00".repeat(32)}`,
      });
      await identity.start();
      jobs.every("feeds", settlement.pollMs, work);
    },
    stop: async () => server?.close(1_000),
  };
}
