import { createAdaptorServer, type ServerType } from "@hono/node-server";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { fatal, messageOf } from "../errors/index.ts";
import type { TlsIdentity } from "./tls.ts";

export interface HttpServer {
  /** With the port that was taken. */
  url: string;
  port: number;
  /** Takes no new connection, lets running requests end for `graceMs`, then cuts them. */
  close(graceMs?: number): Promise<void>;
}

export interface ServeOptions {
  fetch: (request: Request) => Response | Promise<Response>;
  host: string;
  /** 0: any free one. */
  port: number;
  tls?: TlsIdentity;
  /** Connections above this wait in the kernel's queue or are refused. */
  maxConnections?: number;
}

/** @throws `http.listen` when the address is taken. */
export async function serve({ fetch, host, port, tls, maxConnections = 2_000 }: ServeOptions): Promise<HttpServer> {
  const server: ServerType = tls
    ? createAdaptorServer({ fetch, createServer: createHttpsServer, serverOptions: { key: tls.key, cert: tls.cert, minVersion: "TLSv1.3" } })
    : createAdaptorServer({ fetch });
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  if ("maxConnections" in server) server.maxConnections = maxConnections;
  if ("headersTimeout" in server) server.headersTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(fatal("http.listen", `${host}:${port} cannot be listened on: ${messageOf(error)}`, { host, port }, { cause: error })));
    server.listen(port, host, () => resolve());
  });
  const taken = (server.address() as AddressInfo).port;
  return {
    url: `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${taken}`,
    port: taken,
    close: (graceMs = 5_000) =>
      new Promise((resolve) => {
        const cut = setTimeout(() => {
          for (const socket of sockets) socket.destroy();
        }, graceMs);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        if ("closeIdleConnections" in server) server.closeIdleConnections();
      }),
  };
}
