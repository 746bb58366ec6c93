/** The page's frame: head, navigation, search, and one page at a time. */
import { type TemplateResult, html, nothing, render } from "lit-html";
import { clean, reasonOf } from "./format.ts";
import type { Net } from "./net.ts";
import { type Loader, NotFound, type Shown } from "./page.ts";
import { parseRoute } from "./router.ts";
import { loading, problem } from "./ui/parts.ts";
import { PAGES } from "./views/index.ts";

const PLACES = [["", "Overview"], ["batches", "Batches"], ["nodes", "Nodes"], ["models", "Models"], ["committee", "Committee"], ["feeds", "Feeds"], ["payments", "Payments"], ["health", "Health"], ["about", "What is checked"]] as const;
/** Pages that are part of another place in the navigation. */
const PARENTS: Record<string, string> = { batch: "batches", receipt: "batches", node: "nodes", model: "models", feed: "feeds", payment: "payments" };

/** Puts the page into `root` and follows the address. @returns Ends it. */
export function startApp(root: HTMLElement, net: Net, window: Window): () => void {
  let leaving = new AbortController();
  let here = "";

  function frame(name: string, body: TemplateResult): TemplateResult {
    return html`
      <a class="skip" href="#main" @click=${focusMain}>Skip to the content</a>
      <header class="top">
        <a class="brand" href="#/"><span class="mark" aria-hidden="true"></span>OpenGradient <span class="quiet">explorer</span></a>
        <span class="network" title="Network that this page reads">${clean(net.name, 32)} · ${net.settlement.chain.id}</span>
        <form role="search" @submit=${search}>
          <label class="hidden" for="q">Search by hash, node, model, receipt, payment, transaction, address or model name</label>
          <input id="q" name="q" type="search" placeholder="Hash, address or model name" autocomplete="off" spellcheck="false" />
          <button type="submit">Search</button>
        </form>
      </header>
      <nav aria-label="Pages"><ul>${PLACES.map(([place, title]) => html`<li><a href=${`#/${place}`} aria-current=${(PARENTS[name] ?? name) === place ? "page" : nothing}>${title}</a></li>`)}</ul></nav>
      <main id="main" tabindex="-1">${body}</main>
      <footer><p>This page is read-only and has no server of its own that you must believe: <a href="#/about">what it checks, and what it takes on trust</a>.</p></footer>`;
  }

  function focusMain(event: Event): void {
    event.preventDefault();
    root.querySelector<HTMLElement>("#main")?.focus();
  }

  function search(event: SubmitEvent): void {
    event.preventDefault();
    const text = root.querySelector<HTMLInputElement>("#q")?.value ?? "";
    const next = `#/search?q=${encodeURIComponent(text.trim().slice(0, 200))}`;
    if (window.location.hash === next) void go();
    else window.location.hash = next;
  }

  async function go(): Promise<void> {
    leaving.abort();
    const mine = (leaving = new AbortController());
    const route = parseRoute(window.location.hash);
    const moved = here !== route.name + route.args.join("/");
    here = route.name + route.args.join("/");
    let shown: Shown | null = null;
    const show = (page: Shown) => {
      if (mine.signal.aborted) return;
      shown = page;
      window.document.title = `${clean(page.title, 80)} · OpenGradient explorer`;
      render(frame(route.name, html`<h1>${clean(page.title, 120)}</h1>${page.body}`), root);
    };
    render(frame(route.name, loading("Asking the chain …")), root);
    if (moved) {
      window.scrollTo?.(0, 0);
      root.querySelector<HTMLElement>("#main")?.focus({ preventScroll: true });
    }
    const load: Loader | undefined = PAGES[route.name];
    try {
      if (!load) throw new NotFound(`There is no page "${clean(route.name, 40)}".`, "Take one of the pages above, or search for a hash.");
      await load(net, route, { show, replace: (href) => !mine.signal.aborted && window.location.replace(href), signal: mine.signal });
    } catch (error) {
      if (mine.signal.aborted) return;
      const before = shown as Shown | null;
      const told = error instanceof NotFound ? problem("Not found", error.message, error.todo) : problem("This could not be loaded", reasonOf(error), `Check that the RPC endpoint ${net.settlement.rpcUrl} answers and is of chain ${net.settlement.chain.id}, then reload the page.`);
      show({ title: before?.title ?? (error instanceof NotFound ? "Not found" : "Error"), body: html`${told}${before?.body ?? nothing}` });
    }
  }

  const onCopy = (event: Event) => {
    const button = (event.target as Element | null)?.closest<HTMLElement>("[data-copy]");
    if (!button) return;
    void window.navigator.clipboard?.writeText(button.dataset.copy!).then(() => {
      button.classList.add("copied");
      window.setTimeout(() => button.classList.remove("copied"), 1_200);
    });
  };
  const onGo = () => void go();
  window.addEventListener("hashchange", onGo);
  root.addEventListener("click", onCopy);
  void go();
  return () => {
    leaving.abort();
    window.removeEventListener("hashchange", onGo);
    root.removeEventListener("click", onCopy);
  };
}
