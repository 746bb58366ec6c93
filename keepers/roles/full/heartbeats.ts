/** Other nodes' heartbeats, carried many in one transaction: a third of what each would pay for its own. */
import { type Abi, type Hex, encodeFunctionData, recoverAddress } from "viem";
import { heartbeatDigest, KeyType, signedHeartbeat } from "../../../sdk/protocol/index.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import { fatal, isKeeperError, messageOf, retryable } from "../../errors/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import { type Beat, KeyStatus, NodeStatus } from "../node/index.ts";
import { beatQueue, type QueuedBeat } from "./heartbeat-queue.ts";

export interface RelayOptions {
  /** Heartbeats that make a transaction at once; 0: this node relays none. */
  size: number;
  /** The oldest one waits no longer for others, ms. */
  waitMs: number;
  /** Heartbeats that wait at most; beyond it `relay.full`. */
  capacity?: number;
  /** Questions to the chain for strangers' heartbeats in ten seconds; beyond it `relay.busy`. */
  lookUps?: number;
}

export interface HeartbeatRelay {
  /** @throws `relay.off`, `relay.bad_beat`, `relay.bad_block`, `relay.unknown_node`, `relay.key`, `relay.too_soon`, `relay.bad_signature`, `relay.full`, `relay.busy` */
  receive(item: unknown): Promise<void>;
  /** Sends what is due. */
  step(): Promise<void>;
  waiting(): number;
}

/** 20 of them cost about 240,000 gas; so many still fit into a small block. */
const MAX_PER_CALL = 100;
/** A block this close to being too old is sent at once. */
const HURRY = 48n;
const PATIENCE = 240n;
const MILD = new Set(["tx.superseded", "tx.abandoned", "tx.reverted", "tx.cancelled", "tx.key_conflict"]);
const ALIVE: readonly number[] = [NodeStatus.Registered, NodeStatus.Active, NodeStatus.Dead, NodeStatus.Draining, NodeStatus.Jailed];

export function createHeartbeatRelay(platform: Platform, { size, waitMs, capacity = 4_096, lookUps = 200 }: RelayOptions): HeartbeatRelay {
  const { settlement, journal, clock, metrics, store } = platform;
  const logger = platform.logger.child({ part: "relay" });
  const registry = settlement.deployment.address("NodeRegistry");
  const contract = { address: registry, abi: iNodeRegistryAbi } as const;
  const domain = { chainId: settlement.chainId, verifyingContract: registry };
  const queue = beatQueue(store);
  let params: { heartbeatBlocks: bigint; beatMaxBlocks: bigint } | undefined;
  let hashes = new Map<bigint, Hex>();
  let window = { since: -Infinity, asked: 0 };

  /** Strangers make this node ask its chain: so often, and no more. */
  function spend(): void {
    if (clock.now() - window.since > 10_000) window = { since: clock.now(), asked: 0 };
    if (++window.asked > lookUps) throw retryable("relay.busy", "Too many heartbeats came at once. Ask another full node, or send it yourself.");
  }

  async function hashOf(blockNumber: bigint): Promise<Hex> {
    const known = hashes.get(blockNumber);
    if (known) return known;
    const { hash } = await settlement.client.getBlock({ blockNumber });
    if (hashes.size > 512) hashes = new Map();
    hashes.set(blockNumber, hash);
    return hash;
  }

  async function keyOf(nodeId: Hex) {
    const node = await settlement.client.readContract({ ...contract, functionName: "node", args: [nodeId] });
    if (!ALIVE.includes(node.status)) throw fatal("relay.unknown_node", `The registry knows no node ${nodeId} that could be alive.`, { nodeId, status: node.status });
    const key = BigInt(node.keyId) === 0n ? null : await settlement.client.readContract({ ...contract, functionName: "key", args: [node.keyId] });
    if (!key || key.status !== KeyStatus.Valid || key.keyType !== KeyType.Secp256k1) {
      throw fatal("relay.key", `Node ${nodeId} has no valid secp256k1 key: only those go into a transaction of many.`, { nodeId });
    }
    return { node, signer: key.signer };
  }

  async function isSigned({ nodeId, blockNumber, signature }: Beat, signer: Hex): Promise<boolean> {
    const hash = heartbeatDigest({ nodeId, blockNumber, blockHash: await hashOf(blockNumber) }, domain);
    return (await recoverAddress({ hash, signature }).catch(() => null))?.toLowerCase() === signer.toLowerCase();
  }

  async function receive(item: unknown): Promise<void> {
    if (size === 0) throw fatal("relay.off", "This full node carries no heartbeats.");
    const { nodeId, blockNumber, signature } = parse(item);
    params ??= await settlement.client.readContract({ ...contract, functionName: "params" });
    const head = (await settlement.pool.head()).number;
    // Twice the hurry: it must be of use when it is this node's turn to send.
    if (blockNumber > head || blockNumber + params.beatMaxBlocks < head + 2n * HURRY) {
      throw fatal("relay.bad_block", `Block ${blockNumber} is unknown here or too old; the head is ${head}.`, { blockNumber, head });
    }
    // The sender pays for nothing here, so a node is carried four times before it would be dead, not once a block.
    const pause = params.heartbeatBlocks / 4n;
    const tooSoon = (last: bigint): boolean => blockNumber < last + pause;
    const queued = queue.get(nodeId);
    if (queued && blockNumber <= queued.blockNumber) throw fatal("relay.too_soon", `A heartbeat of node ${nodeId} for block ${queued.blockNumber} waits already.`, { nodeId });
    spend();
    const { node, signer } = await keyOf(nodeId);
    if (node.status === NodeStatus.Active && tooSoon(node.lastHeartbeat)) {
      throw fatal("relay.too_soon", `Node ${nodeId} is alive as of block ${node.lastHeartbeat}; this node carries its next heartbeat from block ${node.lastHeartbeat + pause} on.`, { nodeId });
    }
    if (blockNumber <= node.lastHeartbeat) throw fatal("relay.too_soon", `The chain has a heartbeat of node ${nodeId} for block ${node.lastHeartbeat}.`, { nodeId });
    if (!(await isSigned({ nodeId, blockNumber, signature }, signer))) throw fatal("relay.bad_signature", `The signature is not that of node ${nodeId} for the block ${blockNumber} that this node knows.`, { nodeId });
    if (!queued && queue.count() >= capacity) throw retryable("relay.full", "This node carries no more heartbeats now. Ask another full node, or send it yourself.");
    // One place a node: a newer heartbeat takes it, with the time of the first.
    queue.put({ nodeId, blockNumber, signature, receivedAt: queued?.receivedAt ?? clock.now() });
  }

  /** What the chain does not have yet and would still take; the rest leaves the queue. */
  async function useful(beats: readonly QueuedBeat[]): Promise<QueuedBeat[]> {
    const kept: QueuedBeat[] = [];
    for (const beat of beats) {
      const known = await keyOf(beat.nodeId).catch((error: unknown) => {
        if (isKeeperError(error) && error.family === "fatal") return null;
        throw error;
      });
      if (known && beat.blockNumber > known.node.lastHeartbeat && (await isSigned(beat, known.signer))) kept.push(beat);
      else queue.drop(beat);
    }
    return kept;
  }

  async function send(blockNumber: bigint, beats: readonly QueuedBeat[], deadline: bigint): Promise<void> {
    const abi = iNodeRegistryAbi as unknown as Abi;
    const data = encodeFunctionData({ abi, functionName: "heartbeats", args: [blockNumber, beats.map(({ nodeId, signature }) => signedHeartbeat(nodeId, signature))] });
    const key = intentKey(platform.name, settlement.chainId, registry, "heartbeats", `${blockNumber}:${beats.map(({ nodeId }) => nodeId).join()}`);
    try {
      const { receipt } = await journal.submit({ key, chainId: settlement.chainId, to: registry, data, label: "heartbeats", abi, again: true, deadline });
      metrics.count("heartbeats_relayed_total", {}, beats.length);
      logger.info({ blockNumber, beats: beats.length, tx: receipt.transactionHash, gas: receipt.gasUsed }, "heartbeats are on chain");
    } catch (error) {
      if (!isKeeperError(error) || !MILD.has(error.code)) throw error;
      // Their block is no longer known, or too old: the nodes see that and send newer ones.
      logger.warn({ blockNumber, beats: beats.length, reason: messageOf(error) }, "heartbeats were not taken");
    }
    for (const beat of beats) queue.drop(beat);
  }

  return {
    receive,
    waiting: () => queue.count(),
    async step() {
      metrics.gauge("heartbeats_waiting", queue.count());
      if (queue.count() === 0) return;
      params ??= await settlement.client.readContract({ ...contract, functionName: "params" });
      const head = await settlement.pool.head();
      // A reorganisation gave some blocks another hash: what is signed over the old one is found out here, not by the contract.
      hashes = new Map();
      for (const { blockNumber, count, oldest } of queue.groups()) {
        const hurry = blockNumber + params.beatMaxBlocks < head.number + HURRY;
        if (count < size && clock.now() - oldest < waitMs && !hurry) continue;
        const beats = await useful(queue.of(blockNumber, MAX_PER_CALL));
        if (beats.length > 0) await send(blockNumber, beats, head.timestamp + PATIENCE);
      }
    },
  };
}

function parse(item: unknown): Beat {
  const { nodeId, blockNumber, signature } = (item ?? {}) as Record<string, unknown>;
  const shaped = typeof nodeId === "string" && /^0x[0-9a-f]{64}$/i.test(nodeId) && typeof blockNumber === "string" && /^\d{1,15}$/.test(blockNumber) && typeof signature === "string" && /^0x[0-9a-f]{128}(1b|1c)$/i.test(signature);
  if (!shaped) throw fatal("relay.bad_beat", "Expected {nodeId, blockNumber, signature}: 32 bytes in hex, a decimal string, 65 bytes r | s | v in hex.");
  return { nodeId: nodeId.toLowerCase() as Hex, blockNumber: BigInt(blockNumber), signature: signature.toLowerCase() as Hex };
}
