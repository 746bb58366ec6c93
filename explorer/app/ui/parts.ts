/** Small pieces that every page is made of. lit-html escapes what is put into them. */
import { type TemplateResult, html, nothing } from "lit-html";
import { BatchStatus, nameOf } from "../../../sdk/protocol/enums.ts";
import type { Check } from "../../../sdk/receipts/verify.ts";
import { clean, isoOf, linkable, moment, relative, short } from "../format.ts";

export type Part = TemplateResult | string | typeof nothing | readonly Part[];
export type Tone = "good" | "bad" | "wait" | "plain";

const SIGNS: Record<Tone, string> = { good: "✓", bad: "✗", wait: "…", plain: "" };

/** A hash or address: short to see, whole to copy and to hover. @param href Page of the thing, if it has one. */
export function hashPart(hex: string, href?: string): TemplateResult {
  const text = html`<code title=${hex}>${short(hex)}</code>`;
  return html`<span class="hash">${href ? html`<a href=${href}>${text}</a>` : text}<button type="button" class="copy" data-copy=${hex} aria-label=${`Copy ${short(hex)}`} title="Copy"></button></span>`;
}

/** The same in full, for the page that is about it. */
export function wholeHash(hex: string): TemplateResult {
  return html`<span class="hash whole"><code>${hex}</code><button type="button" class="copy" data-copy=${hex} aria-label="Copy" title="Copy"></button></span>`;
}

export function badge(tone: Tone, text: string): TemplateResult {
  return html`<span class=${`badge ${tone}`}>${SIGNS[tone] ? html`<span aria-hidden="true">${SIGNS[tone]}</span> ` : nothing}${text}</span>`;
}

const TONES: Record<number, Tone> = { [BatchStatus.Final]: "good", [BatchStatus.Certified]: "wait", [BatchStatus.Posted]: "wait", [BatchStatus.Rejected]: "bad", [BatchStatus.RejectedNoFault]: "bad", [BatchStatus.Reposted]: "plain" };

export const statusBadge = (status: number): TemplateResult => badge(TONES[status] ?? "plain", status === BatchStatus.RejectedNoFault ? "Rejected without fault" : nameOf(BatchStatus, status));

/** A moment, with how long ago it was. */
export function time(seconds: bigint, now: bigint): TemplateResult {
  return html`<time datetime=${isoOf(seconds)} title=${moment(seconds)}>${moment(seconds)} <span class="quiet">(${relative(seconds, now)})</span></time>`;
}

/** The same for a narrow column. */
export function ago(seconds: bigint, now: bigint): TemplateResult {
  return html`<time datetime=${isoOf(seconds)} title=${moment(seconds)}>${relative(seconds, now)}</time>`;
}

/** Label and value, one under the other. */
export function facts(rows: readonly (readonly [label: string, value: Part] | null)[]): TemplateResult {
  return html`<dl class="facts">${rows.map((row) => (row ? html`<div><dt>${row[0]}</dt><dd>${row[1]}</dd></div>` : nothing))}</dl>`;
}

export interface Column {
  title: string;
  /** Numbers stand at the right. */
  number?: boolean;
}

/** A table that scrolls by itself on narrow screens. @param empty What to say, and what to do, when there is no row. */
export function table(caption: string, columns: readonly Column[], rows: readonly (readonly Part[])[], empty: Part): TemplateResult {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}><table><caption class="hidden">${caption}</caption>
    <thead><tr>${columns.map(({ title, number }) => html`<th scope="col" class=${number ? "number" : ""}>${title}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell, index) => html`<td class=${columns[index]?.number ? "number" : ""}>${cell}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** Checks that this page made itself, in words. */
export function checkList(checks: readonly Check[]): TemplateResult {
  return html`<ul class="checks">${checks.map(({ ok, text }) => html`<li class=${ok ? "good" : "bad"}><span class="sign" aria-hidden="true">${ok ? "✓" : "✗"}</span><span><span class="hidden">${ok ? "Holds: " : "Fails: "}</span>${text}</span></li>`)}</ul>`;
}

export function section(title: string, body: Part, note: Part = nothing): TemplateResult {
  return html`<section class="card"><header><h2>${title}</h2>${note}</header>${body}</section>`;
}

export function loading(what: string): TemplateResult {
  return html`<p class="loading" role="status"><span class="spin" aria-hidden="true"></span>${what}</p>`;
}

/** Something went wrong: what, why, what to do. */
export function problem(what: string, why: string, todo: string): TemplateResult {
  return html`<div class="problem" role="alert"><p class="what">${what}</p><p>${why}</p><p class="todo">${todo}</p></div>`;
}

/** Somebody's URL: a link only when it leads to the web, and then without telling where the reader came from. */
export function outsideLink(url: string): TemplateResult {
  const href = linkable(url);
  return href ? html`<a class="outside" href=${href} rel="noopener noreferrer nofollow" target="_blank">${clean(url)}</a>` : html`<span>${clean(url)}</span>`;
}

export const link = (href: string, text: Part): TemplateResult => html`<a href=${href}>${text}</a>`;
