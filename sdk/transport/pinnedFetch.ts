import { Agent, request } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import { Readable } from "node:stream";
import type { Hex } from "viem";
import { spkiHash } from "./spki.ts";

/** The server's TLS key is not the one that the node's attestation binds: somebody stands in between. */
export class TlsPinError extends Error {
  readonly code = "TLS_PIN_MISMATCH";
  readonly expected: Hex;
  readonly actual: Hex | undefined;
  constructor(host: string, expected: Hex, actual: Hex | undefined) {
    super(
      `${host} showed TLS key ${actual ?? "none"}, but the registry says ${expected}. ` +
        "Nothing was sent. Fetch the node's registration again; if it still differs, do not use this node.",
    );
    this.name = "TlsPinError";
    this.expected = expected;
    this.actual = actual;
  }
}

/**
 * A `fetch` that speaks only with the TLS key whose SPKI hash is `pin`. The key is compared before the first byte of
 * the request leaves. Certificate authorities and host names play no part: the pin comes from the attestation.
 *
 * Connections are kept alive. `close()` ends them.
 */
export function pinnedFetch(pin: Hex): typeof fetch & { close(): void } {
  const agent = new PinnedAgent(pin);
  const pinned = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => send(agent, new Request(input, init));
  return Object.assign(pinned as typeof fetch, { close: () => agent.destroy() });
}

class PinnedAgent extends Agent {
  readonly pin: Hex;
  constructor(pin: Hex) {
    super({ keepAlive: true, maxSockets: 64 });
    this.pin = pin;
  }

  /** Hands the socket to the HTTP layer only after its key has been compared. */
  override createConnection(options: object, callback?: (error: Error | null, stream: TLSSocket) => void): undefined {
    const { host, port } = options as { host: string; port: number };
    let done = false;
    const finish = (error: Error | null, socket: TLSSocket) => {
      if (done) return;
      done = true;
      if (error) socket.destroy();
      callback?.(error, socket);
    };
    // The pin replaces chain and name checks; it is stricter than both.
    const socket: TLSSocket = connect({ host, port, servername: isIp(host) ? "" : host, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] }, () => {
      const raw = socket.getPeerCertificate(false).raw as Buffer | undefined;
      const actual = raw ? spkiHash(raw) : undefined;
      finish(actual === this.pin ? null : new TlsPinError(`${host}:${port}`, this.pin, actual), socket);
    });
    socket.once("error", (error) => finish(error, socket));
    return undefined;
  }
}

function isIp(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(":");
}

async function send(agent: Agent, incoming: Request): Promise<Response> {
  const url = new URL(incoming.url);
  if (url.protocol !== "https:") throw new TypeError(`a pinned request needs https, not ${url.protocol}`);
  const body = incoming.body ? Buffer.from(await incoming.arrayBuffer()) : undefined;
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = Object.fromEntries(incoming.headers);
    if (body) headers["content-length"] = String(body.length);
    const outgoing = request(url, { method: incoming.method, headers, agent, signal: incoming.signal }, (answer) => {
      const fields = new Headers();
      for (let i = 0; i < answer.rawHeaders.length; i += 2) fields.append(answer.rawHeaders[i]!, answer.rawHeaders[i + 1]!);
      const status = answer.statusCode ?? 500;
      const empty = status === 204 || status === 304 || incoming.method === "HEAD";
      if (empty) answer.resume();
      const stream = empty ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>);
      resolve(new Response(stream, { status, statusText: answer.statusMessage ?? "", headers: fields }));
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}
