import type { Address, Hex } from "viem";
import type { Terms } from "../../../sdk/protocol/index.ts";
import { SettlementMode, termsHash } from "../../../sdk/protocol/index.ts";
import type { Quote } from "../../payments/types.ts";
import type { ServedModel } from "./catalog.ts";
import type { InferenceLedger } from "./ledger.ts";

export interface NodeTerms {
  nodeId: Hex;
  payout: Address;
  tariffHash: Hex;
  policyId: Hex;
  feeBpsCap: number;
  inbox: Address;
}

/** The terms under which this node answers a quote. A royalty belongs to a model version, so models with different royalties need different channels. */
export function termsFor(node: NodeTerms, model: Pick<ServedModel, "royaltyTo" | "royaltyBps">, choice: Pick<Quote, "verification" | "settlementMode">): Terms {
  const { nodeId, payout, tariffHash, policyId, feeBpsCap, inbox } = node;
  const { settlementMode, verification } = choice;
  return { nodeId, payout, settlementMode, verification, tariffHash, policyId, royaltyTo: model.royaltyTo, royaltyBps: model.royaltyBps, feeBpsCap, inbox };
}

/** Stores every terms that this node may be asked for: settling a receipt shows the preimage of its termsHash. */
export function rememberAllTerms(ledger: InferenceLedger, node: NodeTerms, models: readonly ServedModel[]): void {
  for (const model of models) {
    for (const verification of model.methods) {
      for (const settlementMode of Object.values(SettlementMode)) {
        const terms = termsFor(node, model, { verification, settlementMode });
        ledger.rememberTerms(termsHash(terms), terms);
      }
    }
  }
}
