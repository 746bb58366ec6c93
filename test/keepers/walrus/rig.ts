/** A store of blobs and clients of it, with peers that answer as told. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { blobIds, startWalrusServer, walrusClient } from "../../../keepers/walrus/index.ts";
import type { WalrusClient } from "../../../keepers/walrus/index.ts";
import { tempFolder } from "../../utils/folder.ts";

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export type WalrusRig = Awaited<ReturnType<typeof walrusRig>>;

export async function walrusRig() {
  const ids = blobIds();
  const directory = tempFolder("walrus");
  const time = { now: 20_000 * 86_400_000 };
  const clock = { now: () => time.now, sleep: () => Promise.resolve() };
  const server = await startWalrusServer({ directory, blobIds: ids, clock, maxBytes: 100_000 });
  const peers: Server[] = [];
  return {
    ids, directory, time, clock, server,
    client: (publisher: string, aggregators: string[], more: object = {}): WalrusClient => walrusClient({ publisher, aggregators, blobIds: ids, clock, pauseMs: 1, ...more }),
    /** @returns The URL of a server that answers as told. */
    async peer(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
      const listening = await new Promise<Server>((resolve) => {
        const starting = createServer(answer).listen(0, "127.0.0.1", () => resolve(starting));
      });
      peers.push(listening);
      return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
    },
    async close(): Promise<void> {
      for (const peer of peers) {
        peer.closeAllConnections();
        await new Promise((resolve) => peer.close(resolve));
      }
      await server.close();
      await ids.close();
    },
  };
}
