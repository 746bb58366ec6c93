/** Compares a verifier on chain with what was built here: the code, but for its immutables, and the key behind it. */
import type { Hex } from "./encode.ts";
import { SetupBroken } from "./setup-broken.ts";

export interface Deployed {
  getCode(address: string): Promise<string>;
  /** Answers of the verifier: `key()` and `vkHash()`. */
  key: string;
  vkHash: string;
  verifier: string;
  /** Answers of the registry: what it takes the key for, and the transcript that the authority attested (zeros: none). */
  level: number;
  transcriptHash: string;
  artifact: VerifierArtifact;
}

/** What Hardhat writes of a contract. */
export interface VerifierArtifact {
  deployedBytecode: string;
  immutableReferences?: Readonly<Record<string, readonly { start: number; length: number }[]>>;
}

/** What this machine derived about the key. */
export interface Derived {
  level: number;
  transcriptHash?: Hex;
}

export async function checkDeployed(deployed: Deployed, keyBytes: Hex, vkHash: Hex, derived: Derived): Promise<void> {
  const runtime = await deployed.getCode(deployed.verifier);
  const built = deployed.artifact.deployedBytecode;
  if (runtime.length !== built.length || masked(runtime, deployed.artifact) !== masked(built, deployed.artifact)) {
    throw new SetupBroken("CODE_DIFFERS", `The contract at ${deployed.verifier} does not run the verifier built from this source.`);
  }
  const stored = (await deployed.getCode(deployed.key)).toLowerCase();
  if (stored !== `0x00${keyBytes.slice(2)}`) throw new SetupBroken("KEY_ON_CHAIN_DIFFERS", `The key at ${deployed.key} is another one.`);
  if (deployed.vkHash.toLowerCase() !== vkHash) throw new SetupBroken("KEY_ON_CHAIN_DIFFERS", `The verifier names key ${deployed.vkHash}, not ${vkHash}.`);
  if (deployed.level > derived.level) {
    throw new SetupBroken("LEVEL_OVERCLAIMED", `The chain takes the key for level ${deployed.level}; what can be shown is level ${derived.level}.`);
  }
  if (deployed.level === 2 && deployed.transcriptHash.toLowerCase() !== derived.transcriptHash) {
    throw new SetupBroken("TRANSCRIPT_DIFFERS", `The authority attested transcript ${deployed.transcriptHash}, this one is ${derived.transcriptHash}.`);
  }
}

function masked(code: string, artifact: VerifierArtifact): string {
  const bytes = Buffer.from(code.slice(2), "hex");
  for (const places of Object.values(artifact.immutableReferences ?? {})) {
    for (const { start, length } of places) bytes.fill(0, start, start + length);
  }
  return bytes.toString("hex");
}
