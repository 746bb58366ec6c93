import { html } from "lit-html";
import { escrowHealth, type HealthFinding, isInvariant, settlementHealth } from "../../../sdk/network/health.ts";
import { listHeaders } from "../chain/headers.ts";
import { count, reasonOf, short } from "../format.ts";
import type { Net } from "../net.ts";
import type { Loader } from "../page.ts";
import { badge, loading, type Part, problem, section, table } from "../ui/parts.ts";

/** Newest batches that are looked at. */
const HEADERS = 25;

export const health: Loader = async (net, _route, { show, signal }) => {
  let settlement: Part = loading("Asking for every invariant …");
  let payment: Part = net.payment ? loading("Asking for every invariant …") : html`<p class="empty">No payment chain is configured.</p>`;
  let all: HealthFinding[] = [];
  const draw = () => show({
    title: "Health",
    body: html`
      <p class="lead">The numbered invariants that the chains can check by a view, asked now: the same that <code>og health</code> prints and full nodes export. What needs history is held by tests alone (docs/INVARIANTS.md).</p>
      <p class="state">${summary(all)}</p>
      ${section("Settlement chain", settlement)}${section("Payment chain", payment)}`,
  });
  draw();
  const fill = async (work: () => Promise<HealthFinding[]>, put: (part: Part) => void) => {
    try {
      const findings = await work();
      all = [...all, ...findings];
      put(findingTable(findings));
    } catch (error) {
      put(problem("The invariants could not be asked", reasonOf(error), "An endpoint that gives no old events cannot answer this; ask another one, or use og health."));
    }
    if (!signal.aborted) draw();
  };
  await Promise.all([
    fill(() => ofSettlement(net, signal), (part) => void (settlement = part)),
    ...(net.payment ? [fill(() => escrowHealth(net.payment!, net.payment!.startBlock), (part) => void (payment = part))] : []),
  ]);
};

async function ofSettlement(net: Net, signal: AbortSignal): Promise<HealthFinding[]> {
  const { events } = await listHeaders(net, { enough: HEADERS, signal });
  return settlementHealth(net.settlement, events.flatMap(({ hash, header }) => (header ? [{ hash, header }] : [])).slice(0, HEADERS));
}

function summary(findings: readonly HealthFinding[]): Part {
  const broken = findings.filter((finding) => isInvariant(finding) && !finding.ok);
  if (findings.length === 0) return badge("wait", "not asked yet");
  return broken.length === 0 ? html`${badge("good", "Every invariant holds")}<span>${count(findings.length)} comparisons</span>` : html`${badge("bad", `${broken.length} do not hold`)}<span>${broken.map(({ id }) => id).join(", ")}</span>`;
}

function findingTable(findings: readonly HealthFinding[]): Part {
  return table("Findings", [{ title: "Invariant" }, { title: "State" }, { title: "Left", number: true }, { title: "Right", number: true }, { title: "Of" }], findings.map((finding) => [
    finding.id, finding.ok ? badge("good", "holds") : isInvariant(finding) ? badge("bad", "BROKEN") : badge("wait", "no"), count(finding.left), count(finding.right), aboutPart(finding.about),
  ]), "Nothing to compare yet.");
}

function aboutPart(about: string): Part {
  const hash = /^header (0x[0-9a-f]{64})$/.exec(about)?.[1];
  return hash ? html`header <a href=${`#/batch/${hash}`}><code>${short(hash)}</code></a>` : about;
}
