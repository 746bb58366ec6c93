/** One header: what it says, how it went, who vouched for it, and its receipts, checked here. */
import { html, nothing } from "lit-html";
import type { Hex } from "viem";
import { nodeById, registryKey } from "../../../sdk/network/nodes.ts";
import { BatchStatus } from "../../../sdk/protocol/enums.ts";
import { slotNumberOf, slotOf } from "../../../sdk/protocol/batch.ts";
import { timesOf } from "../chain/blocks.ts";
import { demandsOf, faultsOf } from "../chain/disputes.ts";
import { findHeader, historyOf, type PostedHeader, standing, type Standing } from "../chain/headers.ts";
import { amount, count, duration, moment, short } from "../format.ts";
import { blockOf } from "../ledger.ts";
import type { Net } from "../net.ts";
import { type Loader, NotFound } from "../page.ts";
import { hashArg } from "../router.ts";
import { checkList, facts, hashPart, link, loading, type Part, section, statusBadge, wholeHash } from "../ui/parts.ts";
import { checkHeader } from "../verify/header.ts";
import { batchContent } from "./batch-content.ts";
import { certificates, demandList, faultList, timeline } from "./batch-history.ts";

/** Blocks behind which a ledger is asked where a header stands, before the chain is searched. */
const FAR = 50_000n;

export const batch: Loader = async (net, { args: [text] }, { show, signal }) => {
  const hash = hashArg(text);
  if (!hash) throw new NotFound("The hash in the address is none.", "A header hash has 0x and 64 hexadecimal digits. Search finds it by other things, too.");
  const found = await locate(net, hash, signal);
  if (!found) throw new NotFound(`Chain ${net.settlement.chain.id} has no header ${short(hash)}.`, "If it was posted a moment ago, reload. If it is another chain's, open that network's explorer.");
  const { header } = found;
  const [state, node, key] = await Promise.all([standing(net, header), nodeById(net.settlement, header.nodeId), registryKey(net.settlement, header.keyId, header.minIssuedAt)]);
  const now = net.now();

  let checks: Part = loading("Checking the header …");
  let history: Part = loading("Looking for what happened to it …");
  let content: Part = loading("Opening its receipts …");
  const draw = () => show({
    title: `${isBatch(found) ? "Batch" : "Settlement"} ${short(hash)}`,
    body: html`
      <p class="state">${statusBadge(state.status)} ${stateNote(state, now)}</p>
      ${section("Header", html`${headerFacts(found, state, hash)}${checks}`)}
      ${history}
      ${content}`,
  });
  draw();

  const parts: Promise<void>[] = [
    checkHeader(found, net.domain, key).then((list) => void (checks = checkList(list))),
    happened(net, found, signal).then((part) => void (history = part)),
  ];
  const redraw = (part: Part) => {
    content = part;
    draw();
  };
  parts.push(batchContent({ net, found, key, nodePolicy: node.policyId, redraw, signal }));
  for (const part of parts) void part.then(draw, () => {});
  await Promise.all(parts);
};

const isBatch = ({ header }: PostedHeader) => BigInt(header.blobId) !== 0n;

async function locate(net: Net, hash: Hex, signal: AbortSignal): Promise<PostedHeader | null> {
  const head = await net.settlement.client.getBlockNumber();
  const hint = head - net.settlement.startBlock > FAR ? await blockOf(net, hash, signal) : undefined;
  return findHeader(net, hash, hint, signal);
}

async function happened(net: Net, found: PostedHeader, signal: AbortSignal): Promise<Part> {
  const [moves, demands, faults] = await Promise.all([historyOf(net, found.hash, found.block, signal), demandsOf(net, found.hash, found.block, signal), faultsOf(net, found.hash, found.block, signal)]);
  const times = await timesOf(net.settlement, moves.map(({ blockNumber }) => blockNumber!));
  const signed = await certificates(net, moves);
  return html`${section("How it went", timeline(moves, times, net.now()))}${signed}${demandList(demands)}${faultList(faults)}`;
}

function stateNote({ status, finalizableAt, openDemands, replacedAt }: Standing, now: bigint): Part {
  if (finalizableAt) {
    const [time, block] = finalizableAt;
    const when = time > now ? `in ${duration(time - now)}` : "by time already";
    return html`<span>Can be final ${when}, and from block ${count(block)} on${openDemands > 0 ? html`; ${openDemands} demand${openDemands === 1 ? " is" : "s are"} open` : nothing}.</span>`;
  }
  if (status === 0 && replacedAt > 0n) return html`<span>The chain's slot of this header took another one at ${moment(replacedAt)}: it answers None for this one, whatever it was. What happened stands below.</span>`;
  return nothing;
}

function headerFacts(found: PostedHeader, state: Standing, hash: Hex): Part {
  const { header } = found;
  const slot = slotNumberOf(header);
  return facts([
    ["Hash", wholeHash(hash)],
    ["Node", hashPart(header.nodeId, `#/node/${header.nodeId}`)],
    ["Key epoch", hashPart(header.keyId)],
    ["Nonce", count(header.nonce)],
    ["Receipts", count(header.count)],
    ["Stretches", count(header.channels)],
    ["Total charge", html`${count(header.totalCharge)} <span class="quiet">smallest token units</span>`],
    found.call && state.status === BatchStatus.Final ? null : ["Bond locked with it", html`${amount(state.lock, 18)} <span class="quiet">${state.fullBond ? "twice the charge: final without a certificate" : "a tenth of the charge, or the minimum"}</span>`],
    ["Receipts issued", html`<span class="nowrap">${moment(header.minIssuedAt)}</span> to <span class="nowrap">${moment(header.maxIssuedAt)}</span>`],
    ["Receipts root", hashPart(header.receiptsRoot)],
    ["Channels root", hashPart(header.channelsRoot)],
    isBatch(found) ? ["Blob", html`${hashPart(header.blobId)} <span class="quiet">format ${header.format}</span>`] : ["Blob", "none: the receipts stand in the posting call"],
    isBatch(found) ? ["Content hash", hashPart(header.contentHash)] : null,
    ["Slot", slot === 0n ? "of its own" : html`number ${count(slot)} <span class="quiet">${hashPart(slotOf(header, hash))}</span>`],
    ["Transaction", html`${hashPart(found.tx)} <span class="quiet">block ${count(found.block)}</span>`],
    ["Of the same node", link(`#/batches?node=${header.nodeId}`, "all headers")],
  ]);
}
