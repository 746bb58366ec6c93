/** What the data alone cannot show: whether the terms are the node's and the model's own. One rule for batches and for single headers. */
import type { Hex } from "viem";
import { type BatchFault, type TermsUse, wrongTerms } from "../../../sdk/batch/index.ts";
import { ProgramKind, Verification } from "../../../sdk/protocol/index.ts";
import { iModelRegistryAbi } from "../../../types/abi/IModelRegistry.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import type { Platform } from "../platform.ts";

/** Null and null: nothing is wrong. A fault is provable; what cannot be judged is no fault, and is not signed for. */
export interface Judgement {
  fault: BatchFault | null;
  unjudged: string | null;
  /** Nothing that the chain or the node says later can change that. */
  lasting?: boolean;
}

interface Royalty {
  published: boolean;
  /** It has one right output, which whoever can open a request may prove against a vanilla answer. */
  int: boolean;
  to: Hex;
  bps: number;
}

export interface Judge {
  policyOf(nodeId: Hex): Promise<Hex>;
  judge(nodeId: Hex, uses: readonly TermsUse[]): Promise<Judgement>;
}

export function createJudge({ settlement }: Pick<Platform, "settlement">): Judge {
  const { client, deployment } = settlement;
  const models = deployment.has("ModelRegistry") ? { address: deployment.address("ModelRegistry"), abi: iModelRegistryAbi } as const : null;
  const registry = { address: deployment.address("NodeRegistry"), abi: iNodeRegistryAbi } as const;
  /** Royalties are immutable once a version is published; policies always. */
  const royalties = new Map<Hex, Royalty>();
  const policies = new Map<Hex, Hex>();

  async function policyOf(nodeId: Hex): Promise<Hex> {
    const known = policies.get(nodeId) ?? (await client.readContract({ ...registry, functionName: "policyOf", args: [nodeId] }));
    policies.set(nodeId, known);
    return known;
  }

  async function royaltyOf(modelId: Hex): Promise<Royalty | null> {
    const known = royalties.get(modelId);
    if (known || !models) return known ?? null;
    const [publishedAt, [to, bps], [, kind]] = await Promise.all([
      client.readContract({ ...models, functionName: "publishedAt", args: [modelId] }), client.readContract({ ...models, functionName: "royaltyOf", args: [modelId] }),
      client.readContract({ ...models, functionName: "verifierOf", args: [modelId] }),
    ]);
    const royalty = { published: publishedAt !== 0n, int: kind === ProgramKind.Int, to, bps };
    if (royalties.size > 10_000) royalties.clear();
    if (royalty.published) royalties.set(modelId, royalty);
    return royalty;
  }

  return {
    policyOf,
    async judge(nodeId, uses) {
      const policy = await policyOf(nodeId);
      let unjudged: string | null = null;
      let lasting = false;
      for (const { terms, modelId, leaf } of uses) {
        if (!terms) continue; // the caller has said so
        const wrong = wrongTerms(nodeId, terms, policy);
        if (wrong) return { fault: { kind: "terms", index: leaf, detail: wrong }, unjudged: null };
        const royalty = await royaltyOf(modelId);
        // Published later, with a royalty, it would make a liar of who signed now.
        if (!royalty?.published) unjudged ??= `the model ${modelId} of receipt ${leaf} is not published`;
        else if (royalty.to.toLowerCase() !== terms.royaltyTo.toLowerCase() || royalty.bps !== terms.royaltyBps) {
          const detail = `the terms give ${terms.royaltyBps} bps to ${terms.royaltyTo}, the model version ${royalty.bps} bps to ${royalty.to}`;
          return { fault: { kind: "royalty", index: leaf, detail }, unjudged: null };
        }
        // Only who holds the salt can tell whether the output is right: it is left to them, with the node's full bond behind it.
        if (royalty?.int && terms.verification === Verification.Vanilla) {
          unjudged ??= `receipt ${leaf} is a vanilla answer of an int program, whose output cannot be checked from here`;
          lasting = true;
        }
      }
      return { fault: null, unjudged, lasting };
    },
  };
}
