/** Another node's public server, found through the registry: over HTTPS with the key that its attestation binds. */
import type { Hex } from "viem";
import { pinnedFetch } from "../../../sdk/transport/pinnedFetch.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import type { Platform } from "../platform.ts";

export interface Reached {
  status: number;
  text: string;
}

const TIMEOUT_MS = 3_000;
const MAX_ANSWER = 2 * 1024 * 1024;

/** @returns Null where the node has no HTTPS endpoint or answers with more than 2 MiB. Throws what the transport throws. */
export async function reachNode({ settlement }: Pick<Platform, "settlement">, nodeId: Hex, path: string, init: RequestInit = {}): Promise<Reached | null> {
  const node = await settlement.client.readContract({ address: settlement.deployment.address("NodeRegistry"), abi: iNodeRegistryAbi, functionName: "node", args: [nodeId] });
  if (!node.endpoint.startsWith("https:")) return null;
  const pinned = pinnedFetch(node.tlsSpkiHash.toLowerCase() as Hex);
  try {
    const response = await pinned(`${node.endpoint}${path}`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (Number(response.headers.get("content-length") ?? 0) > MAX_ANSWER) return null;
    const text = await response.text();
    return text.length > MAX_ANSWER ? null : { status: response.status, text };
  } finally {
    pinned.close();
  }
}
