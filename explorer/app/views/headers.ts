/** The list of headers. */
import { html, nothing } from "lit-html";
import type { Hex } from "viem";
import { type ListedHeader, listHeaders, statusOf } from "../chain/headers.ts";
import { timesOf } from "../chain/blocks.ts";
import { count } from "../format.ts";
import type { Net } from "../net.ts";
import { type Loader, NotFound } from "../page.ts";
import { hashArg, numberArg } from "../router.ts";
import { ago, hashPart, loading, type Part, section, statusBadge, table } from "../ui/parts.ts";

const PAGE = 25;

export const headers: Loader = async (net, { query }, { show, signal }) => {
  const node = query.get("node");
  const nodeId = node === null ? undefined : hashArg(node);
  if (nodeId === null) throw new NotFound("The node id in the address is none.", "A node id has 0x and 64 hexadecimal digits.");
  const from = numberArg(query.get("before"));
  const page = await listHeaders(net, { from, enough: PAGE, nodeId, signal });
  const title = nodeId ? "Headers of a node" : "Batches and settlements";
  const draw = (rows: Part) => show({
    title,
    body: html`
      <p class="lead">A header is two roots and a bond. <em>Batch</em>: receipts in a blob, open to challenge until final. <em>Individual</em>: every receipt was verified in the posting call.</p>
      ${nodeId ? html`<p>Of node ${hashPart(nodeId, `#/node/${nodeId}`)} only. <a href="#/batches">Show all</a></p>` : nothing}
      ${section(from === undefined ? "Newest first" : `At or below block ${count(from)}`, rows)}
      ${pager(page.next, nodeId ?? undefined, from !== undefined)}`,
  });
  draw(loading("Asking for each header's status …"));
  draw(await headerTable(net, page.events));
};

function pager(next: bigint | null, nodeId: Hex | undefined, later: boolean) {
  const address = (before?: bigint) => {
    const query = new URLSearchParams({ ...(nodeId ? { node: nodeId } : {}), ...(before === undefined ? {} : { before: String(before) }) });
    return query.size > 0 ? `#/batches?${query}` : "#/batches";
  };
  if (next === null && !later) return nothing;
  return html`<nav class="pager" aria-label="More headers">${later ? html`<a href=${address()}>Newest</a>` : nothing}${next === null ? html`<span class="quiet">That is all.</span>` : html`<a href=${address(next)}>Older</a>`}</nav>`;
}

/** Rows with status and time of each. */
export async function headerTable(net: Net, rows: readonly ListedHeader[]): Promise<Part> {
  const [statuses, times] = await Promise.all([Promise.all(rows.map((row) => statusOf(net, row))), timesOf(net.settlement, rows.map(({ block }) => block))]);
  const now = net.now();
  return table("Headers", [{ title: "Header" }, { title: "State" }, { title: "Kind" }, { title: "Node" }, { title: "Nonce", number: true }, { title: "Receipts", number: true }, { title: "Charge, units", number: true }, { title: "Posted" }],
    rows.map((row, index) => [
      hashPart(row.hash, `#/batch/${row.hash}`), statusBadge(statuses[index]!), row.header && BigInt(row.header.blobId) !== 0n ? "batch" : "individual", hashPart(row.nodeId, `#/node/${row.nodeId}`), count(row.nonce),
      row.header ? count(row.header.count) : html`<span class="quiet" title="Stands in the posting call">in the call</span>`, row.header ? count(row.header.totalCharge) : html`<span class="quiet">in the call</span>`, ago(times.get(row.block)!, now),
    ]),
    "No header has been posted here. Nodes post some seconds to minutes after they answered; reload then.");
}
