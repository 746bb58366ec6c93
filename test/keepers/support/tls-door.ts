/** A node's HTTPS door: it has an address and a key before anything is behind it, since a registration names both. */
import { createTlsIdentity, type HttpServer, serve } from "../../../keepers/http/index.ts";
import type { Reach } from "../../utils/settlement-world.ts";

type Handler = (request: Request) => Response | Promise<Response>;

export interface TlsDoor {
  reach: Reach;
  server: HttpServer;
  /** What answers from now on; until then 503. */
  opens(handler: Handler): void;
}

export async function tlsDoor(): Promise<TlsDoor> {
  let behind: Handler = () => new Response(null, { status: 503 });
  const tls = await createTlsIdentity("127.0.0.1", Date.now());
  const server = await serve({ fetch: (request) => behind(request), host: "127.0.0.1", port: 0, tls });
  return { reach: { endpoint: server.url, tlsSpkiHash: tls.spkiHash }, server, opens: (handler) => void (behind = handler) };
}
