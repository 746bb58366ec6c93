/** One receipt: what it says, what was checked here, and what it proves and does not. */
import { html, nothing } from "lit-html";
import type { Hex } from "viem";
import { modelById } from "../../../sdk/network/models.ts";
import { registryKey } from "../../../sdk/network/nodes.ts";
import { nameOf, Outcome, Verification } from "../../../sdk/protocol/enums.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import { statusOf } from "../chain/headers.ts";
import { eventsBackwards } from "../chain/logs.ts";
import { digestOf, findReceipt, type FoundReceipt, type ReceiptPlace } from "../chain/receipts.ts";
import { clean, count, short } from "../format.ts";
import type { Net } from "../net.ts";
import { type Loader, NotFound } from "../page.ts";
import { hashArg, numberArg } from "../router.ts";
import { badge, checkList, facts, hashPart, loading, type Part, section, statusBadge, time, wholeHash } from "../ui/parts.ts";
import { checkEvidence } from "../verify/receipt.ts";
import { outcomeBadge } from "./leaves.ts";
import { termsFacts } from "./terms.ts";

export const receipt: Loader = async (net, { args: [first, second] }, { show, signal }) => {
  const place = placeOf(first, second);
  if (!place) throw new NotFound("The address names no receipt.", "#/receipt/<digest>, or #/receipt/<header>/<leaf>.");
  show({ title: "Receipt", body: loading("Looking for the receipt and its proof …") });
  const { receipt: found, misses } = await findReceipt(net, place, signal);
  const silent = misses.map(({ where, reason }) => html`<p class="quiet">${clean(where)}: ${clean(reason)}</p>`);
  if (!found) {
    return show({ title: "Receipt not found", body: section("Who was asked", html`
      <p>Nobody gave this receipt${"digest" in place ? html`, and a digest alone does not say in which header it stands` : nothing}. It may not be posted yet, be private (never posted), or be too old for the full nodes' index.</p>
      ${silent.length > 0 ? silent : html`<p class="quiet">No full node is configured.</p>`}
      <p>Who holds the receipt can check it alone: <code>npx og verify receipt FILE</code>.</p>`) });
  }
  const digest = digestOf(net, found);
  const [key, status, proofs, name] = await Promise.all([registryKey(net.settlement, found.receipt.keyId, found.receipt.issuedAt), statusOf(net, found.found), proofsOf(net, found, digest, signal), modelName(net, found.receipt.modelId)]);
  const checks = await checkEvidence({ domain: net.domain, receipt: found.receipt, signature: found.signature, index: found.index, path: found.path, ...("digest" in place ? { digest: place.digest } : {}), key, header: found.found.header, headerHash: found.found.hash, status });
  const failed = checks.filter(({ id, ok }) => !ok && id !== "status");
  const genuine = failed.length === 0;
  show({
    title: `Receipt ${short(digest)}`,
    body: html`
      <p class="state">${genuine ? badge("good", "Genuine and included") : badge("bad", "Does not hold")} ${statusBadge(status)}</p>
      ${section("Checked here", html`${checkList(checks)}<p class="quiet">Receipt and path come from: ${clean(found.source)}. Header, key and status come from the settlement chain.</p>${silent}`)}
      ${section("What this proves, and what not", html`<ul class="prose">${meaning(found, genuine, proofs)}</ul>`)}
      ${section("Receipt", receiptFacts(net, found, digest, name))}
      ${found.terms ? section("Terms that the payer signed", termsFacts(found.terms)) : nothing}`,
  });
};

function placeOf(first: string | undefined, second: string | undefined): ReceiptPlace | null {
  const hash = hashArg(first);
  if (!hash) return null;
  if (second === undefined) return { digest: hash };
  const index = numberArg(second);
  return index === undefined || index > 0xffff_ffffn ? null : { header: hash, index: Number(index) };
}

/** Model's name, if it is published. */
async function modelName(net: Net, modelId: Hex): Promise<string | null> {
  return modelById(net.settlement, modelId).then(({ name, version }) => `${clean(name, 48)} ${clean(version, 24)}`, () => null);
}

/** Whether the chain verified a proof for it: of this receipt, or of all in its header at once. */
async function proofsOf(net: Net, { found }: FoundReceipt, digest: Hex, signal: AbortSignal): Promise<boolean> {
  if (!found.call) return false;
  const settlement = { address: net.domain.verifyingContract, abi: iInferenceSettlementAbi } as const;
  const block = { from: found.block, to: found.block, signal };
  const [one, all] = await Promise.all([
    eventsBackwards(net.settlement, { ...settlement, names: ["ProofVerified"], topics: [digest] }, block),
    eventsBackwards(net.settlement, { ...settlement, names: ["ProofsVerified"], topics: [found.hash] }, block),
  ]);
  return one.events.length > 0 || all.events.length > 0;
}

function meaning({ receipt: { outcome }, terms }: FoundReceipt, genuine: boolean, proved: boolean): Part {
  if (!genuine) return html`<li>Nothing: a check above fails. What was given is not the receipt that it claims to be, or the key behind it does not count.</li>`;
  const method = terms?.verification;
  return html`
    <li>${badge("good", "proved")} The holder of the node's attested key signed exactly these numbers, and they stand in the header below.</li>
    ${proved ? html`<li>${badge("good", "proved")} A Groth16 proof bound to this digest held on chain: the model's integer program gives the words in the call. Whether these are what request and response commit to, who holds the salt can compare; who could forge the proof is said by the version's set-up level.</li>` : nothing}
    ${method === Verification.Tee ? html`<li>${badge("plain", "vouched for")} That the measured image computed it, and nobody read the prompt: by the TEE's vendor and by the owner of the image policy in the terms.</li>` : nothing}
    ${method === Verification.Vanilla ? html`<li>${badge("wait", "the node's word")} That the output is right. Of an int program asked in words, a wrong output can be proved by who holds the salt.</li>` : nothing}
    ${method === undefined ? html`<li>${badge("plain", "not shown here")} Which verification the payer chose stands in the terms; this source gives their hash only. The batch's page opens them.</li>` : nothing}
    <li>${badge("plain", "not visible")} What was asked and answered: both are hashes under a salt that payer and node have. ${outcome === Outcome.Partial ? "The stream was closed early." : nothing}</li>`;
}

function receiptFacts(net: Net, { receipt: r, signature, index, found }: FoundReceipt, digest: Hex, name: string | null): Part {
  return facts([
    ["Digest", wholeHash(digest)],
    ["Header", html`${hashPart(found.hash, `#/batch/${found.hash}`)} <span class="quiet">leaf ${count(index)} of ${count(found.header.count)}</span>`],
    ["Node", hashPart(r.nodeId, `#/node/${r.nodeId}`)],
    ["Key epoch", hashPart(r.keyId)],
    ["Model", html`${hashPart(r.modelId, `#/model/${r.modelId}`)} <span class="quiet">${name ?? "not published"}</span>`],
    ["Payment", hashPart(r.paymentId, `#/payment/${r.paymentId}`)],
    ["Sequence", count(r.sequence)],
    ["Charge", html`${count(r.charge)} <span class="quiet">units, of the line from ${count(r.cumulativeBefore)} to ${count(r.cumulativeBefore + r.charge)}</span>`],
    ["Units in / out", `${count(r.inputUnits)} / ${count(r.outputUnits)}`],
    ["Outcome", html`${outcomeBadge(r.outcome)} <span class="quiet">${nameOf(Outcome, r.outcome) === "Error" ? "nothing may be charged" : nothing}</span>`],
    ["Issued", time(r.issuedAt, net.now())],
    ["Request hash", hashPart(r.requestHash)],
    ["Response hash", hashPart(r.responseHash)],
    ["Terms hash", hashPart(r.termsHash)],
    ["Signature", hashPart(signature)],
  ]);
}
