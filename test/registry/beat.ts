import type { Hex } from "viem";
import { heartbeatDigest } from "../../sdk/protocol/index.ts";
import type { Signer, World } from "../utils/settlement-world.ts";

/** A node's signed heartbeat over the head, or over a block that lies `back` before it. */
export async function beatOf(w: World, node: { nodeId: Hex; signer: Signer }, back = 0) {
  const block = (await w.ethers.provider.getBlock((await w.ethers.provider.getBlockNumber()) - back))!;
  const value = { nodeId: node.nodeId, blockNumber: BigInt(block.number), blockHash: block.hash as Hex };
  const digest = heartbeatDigest(value, { chainId: w.chainId, verifyingContract: w.addresses.NodeRegistry });
  return { value, signature: node.signer.sign(digest) };
}
