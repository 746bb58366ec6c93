import { html } from "lit-html";
import { clean } from "../format.ts";
import type { Loader } from "../page.ts";
import { classify, resolve } from "../search.ts";
import { link, loading, section, table } from "../ui/parts.ts";

const MOST = 50;
const KINDS = { empty: "nothing", hash: "32 bytes", address: "an address", blob: "a blob id", text: "a name" };

export const search: Loader = async (net, { query }, { show, replace, signal }) => {
  const text = query.get("q") ?? "";
  const asked = classify(text);
  const title = `Search: ${clean(text, 80) || "nothing"}`;
  if (asked.kind === "empty") return show({ title: "Search", body: html`<p class="empty">Type a header's, receipt's or transaction's hash, a node, model, key, payment or feed id, an operator's or publisher's address, a Walrus blob id, or a part of a model's name.</p>` });
  show({ title, body: loading("Asking chain and ledgers …") });
  const hits = await resolve(net, asked, signal);
  if (hits.length === 1) return replace(hits[0]!.href);
  show({
    title,
    body: html`${section(`Read as ${KINDS[asked.kind]}`, table("Hits", [{ title: "What" }, { title: "Where" }], hits.slice(0, MOST).map(({ what, href, label }) => [what, link(href, clean(label, 90))]),
      asked.kind === "text" ? "No model's name has this in it. Hashes are searched when they are whole: 64 hexadecimal digits." : "Neither the chains nor a full node know it. A receipt that was not posted yet, or never will be (private mode), is on no chain."))}
      ${hits.length > MOST ? html`<p class="quiet">and ${hits.length - MOST} more; type more of it.</p>` : ""}`,
  });
};
