/** The built explorer (`npm run build:explorer`) as files, under headers that hold it: no inline script, no foreign asset, no place to talk to but the configured ones. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { jsonResponse } from "./body.ts";

const TYPES: Record<string, string> = {
  "index.html": "text/html; charset=utf-8",
  "main.js": "text/javascript; charset=utf-8",
  "worker.js": "text/javascript; charset=utf-8",
  "style.css": "text/css; charset=utf-8",
  "icon.svg": "image/svg+xml",
  "main.js.LEGAL.txt": "text/plain; charset=utf-8",
  "worker.js.LEGAL.txt": "text/plain; charset=utf-8",
};

/** @param connect Origins that the page may talk to beside its own. */
export function pageHeaders(connect: readonly string[] = []): Record<string, string> {
  const policy = [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "worker-src 'self'", `connect-src ${["'self'", ...connect].join(" ")}`,
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types lit-html explorer-worker",
  ];
  return {
    "content-security-policy": policy.join("; "),
    "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff", "x-frame-options": "DENY",
  };
}

/**
 * The file behind a path without leading slash ("" is the page); null when there is none.
 * @param config What stands in explorer.json, now: its absolute URLs are where the page may talk to.
 */
export async function pageFile(directory: string, path: string, config: () => Promise<unknown>): Promise<Response | null> {
  if (path === "explorer.json") return jsonResponse(await config(), 200, { ...pageHeaders(), "cache-control": "no-store" });
  const name = path === "" ? "index.html" : path;
  // Only these names: a path never reaches the disk.
  const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  const file = join(directory, name);
  if (!type || !existsSync(file)) return null;
  const runs = name === "index.html" || name === "worker.js";
  return new Response(await readFile(file), { headers: { "content-type": type, "cache-control": "no-cache", ...pageHeaders(runs ? placesIn(await config()) : []) } });
}

/** Origins of the absolute URLs among a configuration's places. */
function placesIn(config: unknown): string[] {
  const { settlement, payment, aggregators, ledgers } = (config ?? {}) as Record<string, unknown>;
  const places = [...[settlement, payment].map((chain) => (chain as { rpcUrl?: unknown } | null | undefined)?.rpcUrl), ...[aggregators, ledgers].flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []))];
  // An origin has no character that ends a directive.
  return [...new Set(places.flatMap((place) => (typeof place === "string" && /^https?:\/\//.test(place) && URL.canParse(place) ? [new URL(place).origin] : [])))];
}

/** Puts the page under /explorer/ of a server that answers everything else by `next`. explorer.json stands in the directory, as the operator wrote it. */
export function withExplorer(directory: string, next: (request: Request) => Promise<Response>): (request: Request) => Promise<Response> {
  if (directory === "") return next;
  const config = async (): Promise<unknown> => JSON.parse(await readFile(join(directory, "explorer.json"), "utf8"));
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (request.method !== "GET" || !/^\/explorer(\/|$)/.test(pathname)) return next(request);
    if (pathname === "/explorer") return new Response(null, { status: 308, headers: { location: "/explorer/" } });
    const told = (status: number, text: string) => new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...pageHeaders() } });
    try {
      return (await pageFile(directory, pathname.slice("/explorer/".length), config)) ?? told(404, "There is no such file. The explorer is at /explorer/.");
    } catch {
      return told(503, "This node's explorer.json is missing or is not JSON; its operator finds it in docs/explorer.md.");
    }
  };
}
