/** JSON-RPC over HTTP in front of a simulated chain: what a command line or another process needs. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface RpcServer {
  url: string;
  close(): Promise<void>;
}

interface Call {
  id: number;
  method: string;
  params?: unknown[];
}

export async function rpcServer(send: (method: string, params: unknown[]) => Promise<unknown>): Promise<RpcServer> {
  const answer = async ({ id, method, params = [] }: Call): Promise<object> => {
    try {
      return { jsonrpc: "2.0", id, result: await send(method, params) };
    } catch (error) {
      const { code, message, data } = error as { code?: unknown; message: string; data?: unknown };
      return { jsonrpc: "2.0", id, error: { code: typeof code === "number" ? code : -32000, message, data } };
    }
  };
  const server: Server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(pieces).toString("utf8")) as Call | Call[];
      void (Array.isArray(body) ? Promise.all(body.map(answer)) : answer(body)).then((result) => response.end(JSON.stringify(result)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
