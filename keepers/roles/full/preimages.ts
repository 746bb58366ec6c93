/** Terms and tariffs that no blob carries: asked of the node that offered them, believed by their hash. */
import type { Hex } from "viem";
import type { TermsBook } from "../../../sdk/batch/index.ts";
import { type Tariff, tariffHash } from "../../../sdk/payments/tariff.ts";
import { type Terms, termsHash } from "../../../sdk/protocol/index.ts";
import { messageOf } from "../../errors/index.ts";
import { kv } from "../../storage/index.ts";
import { reachNode } from "../node/index.ts";
import type { Platform } from "../platform.ts";
import { fromText, toText } from "./text.ts";

export interface Preimages {
  /** What could be had of these terms, with their tariffs. Never throws: what is missing is missing in the book. */
  of(nodeId: Hex, hashes: readonly Hex[]): Promise<TermsBook>;
}

/** Asks a node's `/v1/terms/{hash}`; the answer's own words are worth nothing, its hash decides. */
export type AskTerms = (nodeId: Hex, hash: Hex) => Promise<unknown>;

/** Terms of one header that are asked for. */
const MAX_ASKED = 64;

export function createPreimages({ store, logger }: Pick<Platform, "store" | "logger">, ask: AskTerms): Preimages {
  const facts = kv(store);

  async function one(nodeId: Hex, hash: Hex): Promise<{ terms: Terms; tariff: Tariff | null } | null> {
    const known = facts.get(`terms.${hash}`) as string | undefined;
    if (known) return fromText(known) as { terms: Terms; tariff: Tariff };
    try {
      const found = checked(await ask(nodeId, hash), hash);
      if (found?.tariff) facts.set(`terms.${hash}`, toText(found));
      return found;
    } catch (error) {
      logger.debug({ nodeId, termsHash: hash, reason: messageOf(error) }, "terms could not be had");
      return null;
    }
  }

  return {
    async of(nodeId, hashes) {
      const found = (await Promise.all(hashes.slice(0, MAX_ASKED).map((hash) => one(nodeId, hash)))).filter((item) => item !== null);
      return { terms: found.map(({ terms }) => terms), tariffs: found.flatMap(({ tariff }) => tariff ?? []) };
    },
  };
}

/** Over HTTPS with the key that the node's attestation binds. */
export function askNode(platform: Pick<Platform, "settlement">): AskTerms {
  return async (nodeId, hash) => {
    const answer = await reachNode(platform, nodeId, `/v1/terms/${hash}`);
    return answer?.status === 200 ? (JSON.parse(answer.text) as unknown) : null;
  };
}

/** The answer as terms and tariff, if it hashes to what was asked for; big integers come as decimal strings. */
export function checked(answer: unknown, hash: Hex): { terms: Terms; tariff: Tariff | null } | null {
  const { terms, tariff } = (answer ?? {}) as { terms?: Terms; tariff?: { chainId: string; token: Hex; prices: Record<string, string>[] } | null };
  if (!terms || termsHash(terms) !== hash.toLowerCase()) return null;
  if (!tariff) return { terms, tariff: null };
  const prices = tariff.prices.map((price) => ({
    modelId: price.modelId as Hex, perRequest: BigInt(price.perRequest!), perMillionInput: BigInt(price.perMillionInput!),
    perMillionOutput: BigInt(price.perMillionOutput!), perMillionReasoning: BigInt(price.perMillionReasoning!),
  }));
  const list: Tariff = { chainId: BigInt(tariff.chainId), token: tariff.token, prices };
  return { terms, tariff: tariffHash(list) === terms.tariffHash.toLowerCase() ? list : null };
}
