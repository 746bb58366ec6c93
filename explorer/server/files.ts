/** The built page, its configuration, and the headers that hold it: no inline script, no foreign asset, no place to talk to but the configured ones. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { jsonResponse } from "../../keepers/http/body.ts";
import { type ExplorerConfig, originsOf } from "../config.ts";

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
export function securityHeaders(connect: readonly string[]): Record<string, string> {
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

export interface PageFiles {
  /** The file behind a path without leading slash ("" is the page); null when there is none. */
  fetch(path: string): Promise<Response | null>;
}

/** @param own Origin that the page is served under, which needs no mention. @param config Asked each time: ledgers come and go. */
export function pageFiles(directory: string, own: string, config: () => Promise<ExplorerConfig>): PageFiles {
  return {
    async fetch(path) {
      if (path === "explorer.json") return jsonResponse(toWire(await config(), own), 200, { ...securityHeaders([]), "cache-control": "no-store" });
      const name = path === "" ? "index.html" : path;
      // Only these names: a path never reaches the disk.
      const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
      const file = join(directory, name);
      if (!type || !existsSync(file)) return null;
      const connect = name === "index.html" || name === "worker.js" ? originsOf(await config()).filter((origin) => origin !== own) : [];
      return new Response(await readFile(file), { headers: { "content-type": type, "cache-control": "no-cache", ...securityHeaders(connect) } });
    },
  };
}

/** What `parseConfig` reads, with places of this server relative to the page. */
function toWire(config: ExplorerConfig, own: string): object {
  const place = (url: string) => (url.startsWith(`${own}/`) ? url.slice(own.length) : url);
  const chain = (value: ExplorerConfig["settlement"]) => ({ rpcUrl: place(value.rpcUrl), deployment: value.deployment, startBlock: Number(value.startBlock) });
  return {
    name: config.name, settlement: chain(config.settlement), payment: config.payment && chain(config.payment),
    aggregators: config.aggregators.map(place), ledgers: config.ledgers.map(place),
  };
}
