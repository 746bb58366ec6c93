/** Reads what `og zk verify-setup --rpc URL --registry ADDRESS` compares from a chain. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { createPublicClient, http, isAddress, parseAbi } from "viem";

import type { Deployed, VerifierArtifact } from "../setup/deployed.ts";
import type { Hex } from "../setup/encode.ts";
import { UsageError } from "./options.ts";

const ABI = parseAbi(["function verifierOf(bytes32) view returns (address)", "function key() view returns (address)", "function vkHash() view returns (bytes32)", "function setupLevel(bytes32) view returns (uint8)", "function transcriptHash(bytes32) view returns (bytes32)"]);
const ARTIFACT = fileURLToPath(new URL("../../artifacts/contracts/settlement/Groth16Verifier.sol/Groth16Verifier.json", import.meta.url));

export async function readDeployed(rpc: string, registry: string, vkHash: Hex): Promise<Deployed> {
  if (!isAddress(registry)) throw new UsageError(`--registry ${registry} is not an address`);
  const artifact = JSON.parse(
    await readFile(ARTIFACT, "utf8").catch(() => {
      throw new UsageError("build the contracts first: npm run build");
    }),
  ) as VerifierArtifact;
  const client = createPublicClient({ transport: http(rpc) });
  await client.getChainId().catch(() => {
    throw new UsageError(`--rpc ${rpc} does not answer`);
  });
  const verifier = await client.readContract({ address: registry, abi: ABI, functionName: "verifierOf", args: [vkHash] });
  if (BigInt(verifier) === 0n) throw new UsageError(`the registry at ${registry} does not know key ${vkHash}`);
  const [key, named, level, transcriptHash] = await Promise.all([
    client.readContract({ address: verifier, abi: ABI, functionName: "key" }),
    client.readContract({ address: verifier, abi: ABI, functionName: "vkHash" }),
    client.readContract({ address: registry, abi: ABI, functionName: "setupLevel", args: [vkHash] }),
    client.readContract({ address: registry, abi: ABI, functionName: "transcriptHash", args: [vkHash] }),
  ]);
  return { getCode: async (address) => (await client.getCode({ address: address as Hex })) ?? "0x", verifier, key, vkHash: named, level, transcriptHash, artifact };
}
