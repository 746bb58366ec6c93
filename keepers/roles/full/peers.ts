/** The other members of the committee, over HTTPS with the keys that their attestations bind. */
import type { Hex } from "viem";
import { pinnedFetch } from "../../../sdk/transport/pinnedFetch.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import { messageOf } from "../../errors/index.ts";
import type { Platform } from "../platform.ts";
import type { CommitteeEpochRow } from "./store.ts";
import type { Signature } from "./statements.ts";

export interface Peer {
  nodeId: Hex;
  endpoint: string;
  /** Sends signatures; false when the peer did not take them. */
  send(signatures: readonly Signature[]): Promise<boolean>;
  /** What the peer holds for a digest. */
  fetch(digest: Hex): Promise<Signature[]>;
}

const TIMEOUT_MS = 3_000;
const REFRESH_MS = 60_000;
const MAX_ANSWER = 256 * 1024;

export interface Peers {
  /** Members of the epoch other than this node, as the registry has them. */
  of(epoch: CommitteeEpochRow, self: Hex): Promise<Peer[]>;
  stop(): void;
}

export function createPeers({ settlement, clock, logger }: Platform): Peers {
  const registry = settlement.deployment.address("NodeRegistry");
  const known = new Map<Hex, { peer: Peer; readAt: number; pin: Hex; close(): void }>();

  async function lookUp(nodeId: Hex): Promise<Peer> {
    const cached = known.get(nodeId);
    if (cached && clock.now() - cached.readAt < REFRESH_MS) return cached.peer;
    const node = await settlement.client.readContract({ address: registry, abi: iNodeRegistryAbi, functionName: "node", args: [nodeId] });
    if (cached && cached.peer.endpoint === node.endpoint && cached.pin === node.tlsSpkiHash) {
      cached.readAt = clock.now();
      return cached.peer;
    }
    cached?.close();
    const pinned = pinnedFetch(node.tlsSpkiHash.toLowerCase() as Hex);
    const call = (path: string, init?: RequestInit) => pinned(`${node.endpoint}${path}`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const peer: Peer = {
      nodeId,
      endpoint: node.endpoint,
      async send(signatures) {
        try {
          const response = await call("/committee/signatures", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ signatures }) });
          await response.body?.cancel();
          return response.ok;
        } catch (error) {
          logger.debug({ peer: node.endpoint, reason: messageOf(error) }, "peer did not take signatures");
          return false;
        }
      },
      async fetch(digest) {
        try {
          const response = await call(`/committee/signatures/${digest}`);
          if (!response.ok || Number(response.headers.get("content-length") ?? 0) > MAX_ANSWER) return [];
          const { signatures } = (await response.json()) as { signatures: Signature[] };
          return Array.isArray(signatures) ? signatures.filter(isSignature) : [];
        } catch {
          return [];
        }
      },
    };
    known.set(nodeId, { peer, readAt: clock.now(), pin: node.tlsSpkiHash, close: () => pinned.close() });
    return peer;
  }

  return {
    async of(epoch, self) {
      const others = epoch.nodeIds.filter((nodeId) => nodeId !== self);
      const found = await Promise.all(others.map((nodeId) => lookUp(nodeId).catch(() => null)));
      return found.filter((peer) => peer !== null && peer.endpoint.startsWith("https:")) as Peer[];
    },
    stop() {
      for (const { close } of known.values()) close();
      known.clear();
    },
  };
}

const HASH = /^0x[0-9a-f]{64}$/i;

/** The shape of what a peer says; its truth is checked where it is stored. */
export function isSignature(value: unknown): value is Signature {
  const { digest, signer, signature } = (value ?? {}) as Record<string, unknown>;
  return typeof digest === "string" && HASH.test(digest) && typeof signer === "string" && /^0x[0-9a-f]{40}$/i.test(signer) && typeof signature === "string" && /^0x[0-9a-f]{130}$/i.test(signature);
}

