/** Receipts in a table. */
import { html, nothing } from "lit-html";
import type { Hex } from "viem";
import { nameOf, Outcome } from "../../../sdk/protocol/enums.ts";
import { count, moment } from "../format.ts";
import { badge, hashPart, type Part, table } from "../ui/parts.ts";
import type { ShownLeaf } from "../verify/batch.ts";

export const outcomeBadge = (outcome: number): Part => badge(outcome === Outcome.Error ? "bad" : "plain", nameOf(Outcome, outcome));

export function leafTable(header: Hex, leaves: readonly ShownLeaf[]): Part {
  return table("Receipts", [{ title: "Leaf", number: true }, { title: "Receipt" }, { title: "Model" }, { title: "Payment" }, { title: "Sequence", number: true }, { title: "From, units", number: true }, { title: "Charge, units", number: true }, { title: "In / out", number: true }, { title: "Outcome" }, { title: "Issued, UTC" }],
    leaves.map(({ index, digest, receipt }) => [
      count(index), hashPart(digest, `#/receipt/${header}/${index}`), hashPart(receipt.modelId, `#/model/${receipt.modelId}`), hashPart(receipt.paymentId, `#/payment/${receipt.paymentId}`), count(receipt.sequence),
      count(receipt.cumulativeBefore), count(receipt.charge), `${count(receipt.inputUnits)} / ${count(receipt.outputUnits)}`, outcomeBadge(receipt.outcome), html`<time class="nowrap" title=${moment(receipt.issuedAt)}>${moment(receipt.issuedAt).slice(5, 19)}</time>`,
    ]),
    "No receipt is here.");
}

/** Buttons for a page of a long list. */
export function leafPager(from: number, size: number, total: number, go: (from: number) => void): Part {
  if (total <= size) return nothing;
  const last = Math.floor((total - 1) / size) * size;
  const button = (title: string, to: number) => html`<button type="button" ?disabled=${to < 0 || to > last || to === from} @click=${() => go(to)}>${title}</button>`;
  const jump = (event: Event) => {
    const value = Number((event.target as HTMLInputElement).value);
    if (Number.isInteger(value) && value >= 0 && value < total) go(Math.floor(value / size) * size);
  };
  return html`<nav class="pager" aria-label="Pages of receipts">
    ${button("First", 0)}${button("Before", from - size)}
    <span>${count(from)} to ${count(Math.min(total, from + size) - 1)} of ${count(total)}</span>
    ${button("Next", from + size)}${button("Last", last)}
    <label>Leaf <input type="number" min="0" max=${total - 1} .value=${String(from)} @change=${jump} /></label></nav>`;
}
