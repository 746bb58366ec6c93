import type { Hex } from "viem";
import type { InferenceClient } from "../../sdk/client/client.ts";
import type { NodeSession } from "../../sdk/client/session.ts";
import { type ChainAccess, chainAccess, parseDeployment } from "../../sdk/network/network.ts";
import { readFileSync } from "node:fs";
import type { LocalChain } from "../devnet/chains.ts";
import type { DeployedNetwork } from "../devnet/deploy.ts";
import type { RunningKeeper } from "../devnet/keepers.ts";
import type { PublishedModels } from "../devnet/models.ts";
import type { ProcessGroup } from "../devnet/processes.ts";

/** What the steps hand on to each other. */
export interface DemoContext {
  processes: ProcessGroup;
  print: (line: string) => void;
  settlement: LocalChain;
  payment: LocalChain;
  network: DeployedNetwork;
  walrusUrl: string;
  models: PublishedModels;
  feed: { id: Hex; url: string; consumer: Hex; stop(): Promise<void> };
  keepers: RunningKeeper[];
  client: InferenceClient;
  session: NodeSession;
  /** Digest and payment of each answer, by step. */
  answers: Map<string, { digest: Hex; paymentId: Hex; charge: bigint }>;
}

/** A chain of the demo with the addresses of its deployment. */
export function access(local: LocalChain, file: string): ChainAccess {
  return chainAccess(local.chain.name, local.rpcUrl, parseDeployment(JSON.parse(readFileSync(file, "utf8"))));
}

/** Looks again and again until `look` gives something. @throws Error that names what was waited for. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false>, seconds = 90): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    // A busy machine may drop a connection; that is no answer, so it is asked again.
    const found = await look().catch((error: unknown) => {
      if (error instanceof Error && /fetch failed|HTTP request failed|timed out|took too long/.test(error.message)) return undefined;
      throw error;
    });
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
