/**
 * The operator's door: /livez, /readyz and /metrics for machines; /status and /tx for people, behind a token. On loopback
 * unless the operator says otherwise.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { isKeeperError, messageOf } from "../errors/index.ts";
import { type HttpServer, jsonResponse, serve } from "../http/index.ts";
import type { Metrics } from "../metrics/index.ts";
import type { ReadyCheck } from "../roles/platform.ts";
import type { Journal } from "../tx/index.ts";

export interface OpsOptions {
  host: string;
  port: number;
  token: string;
  metrics: Metrics;
  journal: Journal;
  ready: Readonly<Record<string, ReadyCheck>>;
  status: () => Promise<object> | object;
  /** `POST /actions/<name>`. */
  actions?: Readonly<Record<string, () => Promise<object>>>;
}

export interface OpsServer extends HttpServer {
  /** The handler itself, for tests. */
  fetch(request: Request): Promise<Response>;
}

export async function startOps(options: OpsOptions): Promise<OpsServer> {
  const { token, metrics, journal } = options;
  const actions = new Map(Object.entries(options.actions ?? {}));

  async function notReady(): Promise<Record<string, string>> {
    const reasons: Record<string, string> = {};
    await Promise.all(
      Object.entries(options.ready).map(async ([name, check]) => {
        try {
          const reason = await check();
          if (reason !== null) reasons[name] = reason;
        } catch (error) {
          reasons[name] = messageOf(error);
        }
      }),
    );
    return reasons;
  }

  function allowed(request: Request): boolean {
    const given = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "";
    // Hashes have one length, so the comparison says nothing about the token's.
    const digest = (text: string) => createHash("sha256").update(text).digest();
    return token !== "" && timingSafeEqual(digest(given), digest(token));
  }

  async function fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const route = `${request.method} ${pathname}`;
    if (route === "GET /livez") return jsonResponse({ ok: true });
    if (route === "GET /readyz") {
      const reasons = await notReady();
      const ok = Object.keys(reasons).length === 0;
      return jsonResponse({ ok, reasons }, ok ? 200 : 503, ok ? {} : { "retry-after": "5" });
    }
    if (route === "GET /metrics") return new Response(metrics.render(), { headers: { "content-type": "text/plain; version=0.0.4" } });
    const action = route.startsWith("POST /actions/") ? actions.get(pathname.slice("/actions/".length)) : undefined;
    if (!action && !/^(GET \/(status|tx)|POST \/tx\/(bump|cancel|resume))$/.test(route)) return problem(404, "ops.not_found", "No such page.");
    if (!allowed(request)) return problem(401, "ops.token", "A bearer token is needed (OG_OPS_TOKEN).");
    try {
      if (action) return jsonResponse(await action());
      if (route === "GET /status") return jsonResponse(await options.status());
      if (route === "GET /tx") {
        const limit = Math.min(1_000, Number(searchParams.get("limit") ?? 100) || 100);
        return jsonResponse({ counts: journal.counts(), stopped: Object.fromEntries(journal.stopped()), intents: journal.list(limit) });
      }
      const key = searchParams.get("key") ?? "";
      if (route === "POST /tx/bump") await journal.bump(key);
      else if (route === "POST /tx/cancel") await journal.cancel(key);
      else await journal.resume(Number(searchParams.get("chain")));
      return jsonResponse({ ok: true, intent: key ? journal.status(key) : null });
    } catch (error) {
      return problem(isKeeperError(error) && error.code === "tx.unknown" ? 404 : 409, isKeeperError(error) ? error.code : "ops.failed", messageOf(error));
    }
  }

  const server = await serve({ fetch, host: options.host, port: options.port, maxConnections: 64 });
  return { ...server, fetch };
}

function problem(status: number, code: string, message: string): Response {
  return jsonResponse({ error: { code, message } }, status);
}
