/** The explorer's page in a document without a browser. */
import { Window } from "happy-dom";
import type { Net } from "../../explorer/app/net.ts";
import { inlineChecker } from "../../explorer/app/verify/checker.ts";
import { parseConfig } from "../../explorer/config.ts";

export interface Page {
  /** Goes to an address and waits until the page shows `wanted`. @returns All that it shows, in one line. */
  open(hash: string, wanted: RegExp): Promise<string>;
  /** Waits for a text on the page as it is. */
  see(wanted: RegExp): Promise<string>;
  document: Window["document"];
  title(): string;
  /** What was clicked or typed must be there. */
  click(selector: string, text?: string): void;
  type(selector: string, text: string): void;
  html(): string;
  close(): Promise<void>;
}

const PATIENCE_MS = 300_000;

/** As a reader sees it: what stands in two elements is two words. */
function textOf(node: Node): string {
  if (node.nodeType === 3) return node.nodeValue ?? "";
  return node.nodeType === 1 ? ` ${[...node.childNodes].map((child) => textOf(child)).join("")} ` : "";
}

/** @param url Of the explorer's server. @param change Bends the network that the page sees. */
export async function openPage(url: string, change: (net: Net) => Net = (net) => net): Promise<Page> {
  const window = new Window({ url: `${url}/` });
  window.document.body.innerHTML = '<div id="app"></div>';
  // lit-html takes the document when it is loaded.
  const before = globalThis.document;
  (globalThis as { document?: unknown }).document = window.document;
  const [{ startApp }, { openNet }] = await Promise.all([import("../../explorer/app/app.ts"), import("../../explorer/app/net.ts")]);
  const config = parseConfig(await (await fetch(`${url}/explorer.json`)).json(), `${url}/`);
  const net = change(openNet(config, { fetch, now: () => BigInt(Math.floor(Date.now() / 1000)), checker: () => inlineChecker(fetch) }));
  const root = window.document.getElementById("app")!;
  const stop = startApp(root as unknown as HTMLElement, net, window as unknown as globalThis.Window);
  const shown = () => textOf(root as unknown as Node).replace(/\s+/g, " ").replace(/ (?=[,.:;])/g, "");

  async function see(wanted: RegExp): Promise<string> {
    for (const deadline = performance.now() + PATIENCE_MS; ; ) {
      if (wanted.test(shown())) return shown();
      if (performance.now() > deadline) throw new Error(`the page did not show ${wanted}; it shows: ${shown().slice(0, 1_500)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  const find = (selector: string, text?: string) => {
    const found = [...root.querySelectorAll(selector)].find((element) => text === undefined || element.textContent.trim() === text);
    if (!found) throw new Error(`the page has no ${selector} ${text ?? ""}`);
    return found as unknown as HTMLElement;
  };
  return {
    async open(hash, wanted) {
      window.location.hash = hash;
      window.dispatchEvent(new window.Event("hashchange"));
      return see(wanted);
    },
    see,
    document: window.document,
    title: () => window.document.title,
    click: (selector, text) => find(selector, text).click(),
    type: (selector, text) => void ((find(selector) as HTMLInputElement).value = text),
    html: () => root.innerHTML,
    async close() {
      stop();
      await window.happyDOM.close();
      if (before) globalThis.document = before;
      else delete (globalThis as { document?: unknown }).document;
    },
  };
}
