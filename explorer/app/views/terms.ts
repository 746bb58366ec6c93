/** What payers signed. */
import { html, nothing } from "lit-html";
import { nameOf, SettlementMode, Verification } from "../../../sdk/protocol/enums.ts";
import { type Terms, termsHash } from "../../../sdk/protocol/terms.ts";
import { percent } from "../format.ts";
import { facts, hashPart, type Part, section } from "../ui/parts.ts";

const MOST = 20;

export function termsFacts(terms: Terms): Part {
  return facts([
    ["Terms", hashPart(termsHash(terms))],
    ["Verification", nameOf(Verification, terms.verification)],
    ["Settlement", nameOf(SettlementMode, terms.settlementMode)],
    ["Payout", hashPart(terms.payout)],
    ["Image policy", BigInt(terms.policyId) === 0n ? "the network's default" : hashPart(terms.policyId)],
    ["Royalty", terms.royaltyBps === 0 ? "none" : html`${percent(terms.royaltyBps)} to ${hashPart(terms.royaltyTo)}`],
    ["Protocol fee at most", percent(terms.feeBpsCap)],
    ["Tariff", hashPart(terms.tariffHash)],
    ["Inbox", hashPart(terms.inbox)],
  ]);
}

/** Preimages of the receipts' terms, each once: they hash to what the receipts name. */
export function termsList(all: readonly Terms[]): Part {
  const unique = [...new Map(all.map((terms) => [termsHash(terms), terms])).values()];
  if (unique.length === 0) return nothing;
  return section("Terms that payers signed", html`${unique.slice(0, MOST).map(termsFacts)}${unique.length > MOST ? html`<p class="quiet">and ${unique.length - MOST} more</p>` : nothing}`);
}
