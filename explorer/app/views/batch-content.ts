/** The receipts of a header: from the posting call, or from the blob, checked off the page's thread. */
import { html, nothing } from "lit-html";
import type { Hex } from "viem";
import type { RegistryKey } from "../../../sdk/receipts/verify.ts";
import type { PostedHeader } from "../chain/headers.ts";
import { bytes, clean, count, reasonOf } from "../format.ts";
import type { Net } from "../net.ts";
import { badge, checkList, facts, type Part, problem, section } from "../ui/parts.ts";
import { type BatchProgress, type BatchVerdict, type ShownLeaf } from "../verify/batch.ts";
import { mostBytes } from "../verify/blob.ts";
import { checkCall, leavesOfCall } from "../verify/call.ts";
import { leafPager, leafTable } from "./leaves.ts";
import { termsList } from "./terms.ts";

interface Content {
  net: Net;
  found: PostedHeader;
  key: RegistryKey;
  nodePolicy: Hex;
  redraw: (part: Part) => void;
  signal: AbortSignal;
}

const PAGE = 25;
/** Larger batches are checked when the reader asks for it: they cost traffic and time. */
const UNASKED = 20_000;

export async function batchContent(content: Content): Promise<void> {
  const { net, found, key, redraw } = content;
  if (BigInt(found.header.blobId) !== 0n) return blobContent(content);
  if (!found.call) return redraw(section("Receipts", problem("The receipts cannot be shown", "The posting call went through another contract.", "The chain verified every one of them in that call; a full node's ledger may have them.")));
  const call = found.call;
  const [checks, leaves] = [await checkCall(call, net.domain, key), leavesOfCall(call, net.domain)];
  const draw = (from: number) => redraw(html`${section("Receipts", html`
    <p>They stand in the posting call, where the contract verified each of them. The same here:</p>
    ${checkList(checks)}
    ${leafTable(found.hash, leaves.slice(from, from + PAGE))}${leafPager(from, PAGE, leaves.length, draw)}
    ${unseen}`)}${termsList(call.terms)}`);
  draw(0);
}

const unseen = html`<p class="quiet">Not checkable without the payers' salts: that each receipt is of the request and the answer it stands for.</p>`;

async function blobContent(content: Content): Promise<void> {
  const { net, found, redraw } = content;
  if (net.aggregators.length === 0) return redraw(section("Receipts", problem("The batch cannot be opened", "No Walrus aggregator is configured.", 'Add "aggregators" to explorer.json.')));
  if (found.header.count <= UNASKED) return check(content);
  const most = bytes(mostBytes(found.header));
  redraw(section("Receipts", html`<p>${count(found.header.count)} receipts stand in a blob of at most ${most}. They are fetched and checked when you say so; the page stays usable meanwhile.</p>
    <p><button type="button" class="main" @click=${() => void check(content)}>Fetch and check all ${count(found.header.count)}</button></p>`));
}

async function check({ net, found, key, nodePolicy, redraw, signal }: Content): Promise<void> {
  const { header, hash } = found;
  const checker = net.checker();
  const stop = () => checker.stop();
  signal.addEventListener("abort", stop);
  let stopped = false;
  const cancel = () => {
    stopped = true;
    stop();
    redraw(section("Receipts", html`<p>Stopped.</p><p><button type="button" @click=${() => void check({ net, found, key, nodePolicy, redraw, signal })}>Check again</button></p>`));
  };
  const progress = ({ bytes: got, announced, leaves }: BatchProgress) => !stopped && redraw(section("Receipts", html`
    <p role="status">${count(leaves)} of ${count(header.count)} signatures checked, ${bytes(got)}${announced ? ` of ${bytes(announced)}` : ""} fetched</p>
    <progress max=${header.count} .value=${leaves} aria-label="Signatures checked"></progress> <button type="button" @click=${cancel}>Stop</button>`));
  progress({ bytes: 0, announced: null, leaves: 0 });
  let verdict: BatchVerdict;
  try {
    const job = { header, domain: net.domain, key: { keyType: key.keyType, signer: key.publicKey }, nodePolicy, aggregators: net.aggregators };
    verdict = await checker.check(job, progress);
  } catch (error) {
    if (stopped || signal.aborted) return;
    return redraw(section("Receipts", problem("The batch's data is not to be had", reasonOf(error), "Nobody can check this batch without its blob. Try again; a full node that checked it keeps a copy, and anyone may demand the data on chain (og, Demands).")));
  }
  const shown = { leaves: [] as ShownLeaf[], from: 0, note: nothing as Part };
  const draw = () => redraw(html`${section("Receipts", html`${verdictPart(verdict, found)}${shown.note}${leafTable(hash, shown.leaves)}${leafPager(shown.from, PAGE, verdict.report.fault?.kind === "format" ? 0 : header.count, (from) => void turn(from))}${unseen}`)}${termsList(verdict.report.uses.flatMap(({ terms }) => (terms ? [terms] : [])))}`);
  async function turn(from: number): Promise<void> {
    try {
      shown.leaves = await checker.leaves(from, PAGE);
      shown.from = from;
      shown.note = nothing;
    } catch (error) {
      shown.note = problem("These receipts cannot be read", reasonOf(error), verdict.report.fault ? "The blob is not of the stated form there; the fault above says where." : "Reload the page.");
    }
    if (!signal.aborted) draw();
  }
  await turn(0);
}

function verdictPart({ report, size, source, refused, milliseconds }: BatchVerdict, { header }: PostedHeader): Part {
  const where = refused.map(({ url, reason }) => html`<p class="quiet">${clean(url)}: ${clean(reason)}</p>`);
  const of = facts([
    ["Blob", `${bytes(size)}, content hash as the header says`],
    ["From", clean(source)],
    ["Checked here in", `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 0)} s`],
  ]);
  if (report.fault) {
    const { kind, index, detail } = report.fault;
    return html`<p>${badge("bad", "FAULT")} <strong>${kind}</strong>${index === null ? "" : ` at ${kind === "stretch" ? "stretch" : "leaf"} ${count(index)}`}: ${clean(detail, 300)}</p>
      <p>These are the header's own bytes, so the fault is the node's: whoever proves it on chain rejects the header (FaultCourt).</p>${of}${where}`;
  }
  const own = { ok: true } as const;
  return html`${checkList([
    { id: "signatures", ...own, text: `Every leaf (${count(report.leaves)}) is signed by the node's key.` },
    { id: "lines", ...own, text: "Order, intervals and sums are right, and the stretches are what the receipts make." },
    { id: "roots", ...own, text: "Both roots, recomputed here, are the header's." },
    report.unjudged
      ? { id: "charges", ok: false, text: `Charges cannot be judged: ${clean(report.unjudged, 200)}. Full nodes do not sign for it either.` }
      : { id: "charges", ...own, text: "No charge is above the tariff behind its terms." },
  ])}${of}${where}<p class="quiet">Not checked here: overlaps with other headers of node ${header.nodeId.slice(0, 10)}…, and royalties; full nodes do.</p>`;
}
