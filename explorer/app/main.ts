/** Entry: reads the configuration beside the page, and starts. */
import { render } from "lit-html";
import { parseConfig } from "../config.ts";
import { startApp } from "./app.ts";
import { reasonOf } from "./format.ts";
import { openNet } from "./net.ts";
import { problem } from "./ui/parts.ts";
import { type Checker, inlineChecker, workerChecker } from "./verify/checker.ts";

const root = document.getElementById("app")!;
/** As bound: a `fetch` that is called as another object's method refuses. */
const fetcher: typeof fetch = (input, init) => fetch(input, init);

/** Trusted Types let this page start one script of its own, and no other. */
interface Policies {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): { createScriptURL(url: string): string };
}
const trusted = (globalThis as { trustedTypes?: Policies }).trustedTypes?.createPolicy("explorer-worker", { createScriptURL: (url) => url });

function checker(): Checker {
  if (typeof Worker === "undefined") return inlineChecker(fetcher);
  const url = new URL("worker.js", document.baseURI).href;
  return workerChecker(new Worker((trusted ? trusted.createScriptURL(url) : url) as string, { type: "module" }));
}

try {
  const response = await fetch("explorer.json", { credentials: "omit", cache: "no-store" });
  if (!response.ok) throw new Error(`explorer.json: HTTP ${response.status}`);
  const config = parseConfig(await response.json(), document.baseURI);
  startApp(root, openNet(config, { fetch: fetcher, now: () => BigInt(Math.floor(Date.now() / 1000)), checker }), window);
} catch (error) {
  render(problem("The explorer cannot start", reasonOf(error), "Serve a valid explorer.json beside this page; docs/explorer.md says what stands in it. Then reload."), root);
}
