/**
 * The way out for a page that may only talk to its own server: chains, aggregators and full nodes, read-only. Local endpoints give browsers no
 * leave to read them, and full nodes show a TLS key that the registry vouches for instead of an authority.
 */
import { readJson } from "../../keepers/http/body.ts";
import { isKeeperError, messageOf } from "../../keepers/errors/index.ts";

export interface Door {
  url: string;
  fetch: typeof fetch;
}

export interface Upstreams {
  rpc: Record<string, string>;
  aggregators: readonly string[];
  /** By the number that the configuration gave out. */
  ledger: (index: number) => Door | undefined;
}

/** What a page may ask a chain. Accounts of a development node are unlocked: whatever writes or signs stays outside. */
const METHODS = new Set(["eth_blockNumber", "eth_call", "eth_chainId", "eth_getBlockByHash", "eth_getBlockByNumber", "eth_getLogs", "eth_getTransactionByHash", "eth_getTransactionReceipt"]);
const MAX_REQUEST = 512 * 1024;
const MAX_CALLS = 100;
const TIMEOUT_MS = 60_000;

/** @param path Without leading slash, e.g. "settlement". @returns null when it is of no upstream. */
export async function proxy(path: string, request: Request, { rpc, aggregators, ledger }: Upstreams): Promise<Response | null> {
  const [room = "", index = "", ...rest] = path.split("/");
  if (Object.hasOwn(rpc, room) && index === "") return request.method === "POST" ? askChain(rpc[room]!, request) : refusal(405, "A chain is asked by POST.");
  if (request.method !== "GET" || !/^\d{1,2}$/.test(index)) return null;
  const aggregator = aggregators[Number(index)];
  if (room === "walrus" && aggregator && /^v1\/blobs\/[A-Za-z0-9_-]{43}$/.test(rest.join("/"))) return pass({ url: aggregator, fetch }, `/${rest.join("/")}`);
  const door = room === "ledger" ? ledger(Number(index)) : undefined;
  if (door && rest[0] === "ledger" && rest.every((part) => /^[a-z0-9]{1,66}$/i.test(part))) return pass(door, `/${rest.join("/")}${new URL(request.url).search}`);
  return null;
}

async function askChain(url: string, request: Request): Promise<Response> {
  let calls: unknown;
  try {
    calls = await readJson(request, MAX_REQUEST);
  } catch (error) {
    return refusal(isKeeperError(error) && error.code === "http.too_large" ? 413 : 400, messageOf(error));
  }
  const list = Array.isArray(calls) ? (calls as unknown[]) : [calls];
  if (list.length === 0 || list.length > MAX_CALLS) return refusal(400, `Expected 1 to ${MAX_CALLS} calls.`);
  const methods = list.map((call) => String((call as { method?: unknown } | null)?.method));
  const strange = methods.find((method) => !METHODS.has(method));
  if (strange !== undefined) return refusal(403, `This door is read-only: "${strange.slice(0, 60)}" is not among the methods that it carries.`);
  try {
    const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(calls), signal: AbortSignal.timeout(TIMEOUT_MS) });
    return new Response(answer.body, { status: answer.status, headers: { "content-type": "application/json", "x-content-type-options": "nosniff" } });
  } catch (error) {
    return refusal(502, `The RPC endpoint did not answer: ${messageOf(error)}`);
  }
}

async function pass({ url, fetch }: Door, path: string): Promise<Response> {
  try {
    const answer = await fetch(`${url.replace(/\/+$/, "")}${path}`, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
    const headers: Record<string, string> = { "content-type": "application/octet-stream", "x-content-type-options": "nosniff", "content-disposition": "attachment" };
    const length = answer.headers.get("content-length");
    // `fetch` has unpacked what was packed on the way; its length is no longer the answer's.
    if (length && !answer.headers.get("content-encoding")) headers["content-length"] = length;
    return new Response(answer.body, { status: answer.status, headers });
  } catch (error) {
    return refusal(502, `${url} did not answer: ${messageOf(error)}`);
  }
}

function refusal(status: number, message: string): Response {
  return new Response(JSON.stringify({ error: { code: "explorer.refused", message } }), { status, headers: { "content-type": "application/json", "x-content-type-options": "nosniff" } });
}
