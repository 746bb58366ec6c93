/** A node's heartbeats through full nodes, who put many into one transaction: whom to ask for which block. */
import type { Hex } from "viem";
import { messageOf } from "../../errors/index.ts";
import type { Platform } from "../platform.ts";
import { reachNode } from "./reach.ts";

/** A heartbeat on its way to a relay. The relay knows the block's hash itself. */
export interface Beat {
  nodeId: Hex;
  blockNumber: bigint;
  /** r | s | v. */
  signature: Hex;
}

/** Gives a beat to one relay. @returns Whether it says that it will carry it: no promise, the chain is asked. */
export type HandIn = (relay: Hex, beat: Beat) => Promise<boolean>;

/**
 * A transaction takes heartbeats of one block only, so nodes that use relays name the same blocks: every 16th, closer where nodes are
 * dead soon. Between the first attempt (a third of the time until death) and the own transaction (a half) lie several of them.
 */
export const relayStep = (heartbeatBlocks: bigint): bigint => {
  const step = heartbeatBlocks / 24n;
  return step < 1n ? 1n : step > 16n ? 16n : step;
};

/** The newest block below the head that all nodes name. */
export const relayBlock = (head: bigint, heartbeatBlocks: bigint): bigint => (head === 0n ? 0n : head - 1n - ((head - 1n) % relayStep(heartbeatBlocks)));

/** Another relay for each block, in an order of the node's own: one that drops what it is given costs one step. */
export function relayOf(relays: readonly Hex[], { nodeId, blockNumber }: Pick<Beat, "nodeId" | "blockNumber">, heartbeatBlocks: bigint): Hex {
  return relays[Number((BigInt(nodeId) + blockNumber / relayStep(heartbeatBlocks)) % BigInt(relays.length))]!;
}

export function handInOverHttps(platform: Pick<Platform, "settlement" | "logger">): HandIn {
  return async (relay, { nodeId, blockNumber, signature }) => {
    const body = JSON.stringify({ nodeId, blockNumber: blockNumber.toString(), signature });
    try {
      const answer = await reachNode(platform, relay, "/heartbeats", { method: "POST", headers: { "content-type": "application/json" }, body });
      if (answer?.status === 200) return true;
      platform.logger.warn({ relay, status: answer?.status ?? null, answer: answer?.text.slice(0, 300) ?? null }, "a relay does not take the heartbeat");
    } catch (error) {
      platform.logger.warn({ relay, reason: messageOf(error) }, "a relay cannot be reached");
    }
    return false;
  };
}
