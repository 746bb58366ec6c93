/** The explorer's own server: files, configuration, and the read-only way out. */
import { pageFile, pageHeaders } from "../../keepers/http/page.ts";
import { type HttpServer, serve } from "../../keepers/http/server.ts";
import { activeNodes } from "../../sdk/network/nodes.ts";
import { chainAccess } from "../../sdk/network/network.ts";
import { Role } from "../../sdk/protocol/enums.ts";
import { pinnedFetch } from "../../sdk/transport/pinnedFetch.ts";
import type { ChainConfig } from "../config.ts";
import { type Door, proxy } from "./proxy.ts";

export interface ExplorerServerOptions {
  /** Of the built page. */
  directory: string;
  host: string;
  /** 0: any free one. */
  port: number;
  name: string;
  settlement: ChainConfig;
  payment: ChainConfig | null;
  aggregators: readonly string[];
  /** Full nodes to ask, instead of the registry's. */
  ledgers?: readonly string[];
}

/** Doors handed out at most. */
const MAX_LEDGERS = 8;
/** The registry is asked again after this. */
const STALE_MS = 60_000;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/;

/** @throws `http.listen` when the address is taken. */
export async function serveExplorer(options: ExplorerServerOptions): Promise<HttpServer> {
  const { directory, host, port, name, settlement, payment, aggregators } = options;
  const access = chainAccess("settlement", settlement.rpcUrl, settlement.deployment);
  let doors: Door[] = (options.ledgers ?? []).map((url) => ({ url, fetch }));
  const pinned = new Map<string, Door & { fetch: ReturnType<typeof pinnedFetch> }>();
  let asked = 0;

  /** Active full nodes, each behind the TLS key that the registry has for it. */
  async function ledgers(): Promise<Door[]> {
    if (options.ledgers || Date.now() - asked < STALE_MS) return doors;
    asked = Date.now();
    try {
      const nodes = (await activeNodes(access, Role.Full)).slice(0, MAX_LEDGERS);
      for (const { endpoint, tlsSpkiHash } of nodes) {
        const id = `${endpoint} ${tlsSpkiHash}`;
        if (endpoint.startsWith("https://") && !pinned.has(id)) pinned.set(id, { url: endpoint, fetch: pinnedFetch(tlsSpkiHash) });
      }
      doors = nodes.flatMap(({ endpoint, tlsSpkiHash }) => pinned.get(`${endpoint} ${tlsSpkiHash}`) ?? []);
    } catch {
      // The chain does not answer: the page finds that out for itself, and says so.
    }
    return doors;
  }

  /** As `parseConfig` reads it; all places are this server's own. */
  const chainOf = ({ deployment, startBlock }: ChainConfig, rpcUrl: string) => ({ rpcUrl, deployment, startBlock: Number(startBlock) });
  const config = async () => ({
    name,
    settlement: chainOf(settlement, "/via/settlement"),
    payment: payment && chainOf(payment, "/via/payment"),
    aggregators: aggregators.map((_, index) => `/via/walrus/${index}`),
    ledgers: (await ledgers()).map((_, index) => `/via/ledger/${index}`),
  });
  const upstreams = { rpc: { settlement: settlement.rpcUrl, ...(payment ? { payment: payment.rpcUrl } : {}) }, aggregators, ledger: (index: number) => doors[index] };
  const onLoopback = LOOPBACK.test(host) || host === "::1";
  const server = await serve({
    host, port,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      // A name that somebody else points at this machine is not this server's: else his page could read through it.
      if (onLoopback && !LOOPBACK.test(request.headers.get("host") ?? "")) return told(421, "This server answers to localhost only.");
      if (pathname.startsWith("/via/")) return (await proxy(pathname.slice(5), request, upstreams)) ?? told(404, "Nothing is behind this path.");
      if (request.method !== "GET") return told(405, "The explorer is read-only.");
      return (await pageFile(directory, pathname.slice(1), config)) ?? told(404, "There is no such file. The explorer is at /.");
    },
  });
  return {
    ...server,
    async close(graceMs) {
      await server.close(graceMs);
      for (const door of pinned.values()) door.fetch.close();
    },
  };
}

function told(status: number, text: string): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...pageHeaders() } });
}

