/** Two simulated chains behind HTTP, three full nodes, a node that posts, and the explorer's server in front of them. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, keccak256 } from "viem";
import { buildExplorer } from "../../explorer/build.ts";
import { serveExplorer } from "../../explorer/server/serve.ts";
import { serve } from "../../keepers/http/server.ts";
import { fromWire, type WalrusClient } from "../../keepers/walrus/index.ts";
import { blobsInMemory, createPoster } from "../keepers/support/poster.ts";
import { fullRig } from "../keepers/support/full-rig.ts";
import { rpcServer } from "../utils/rpc-server.ts";

export type ExplorerNetwork = Awaited<ReturnType<typeof explorerNetwork>>;

/** An aggregator over HTTP; what stands in `bent` is given instead of the blob. */
async function aggregator(blobs: ReadonlyMap<Hex, Uint8Array>, bent: Map<Hex, Uint8Array>): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const id = fromWire(request.url!.split("/").at(-1)!);
    const bytes = bent.get(id) ?? blobs.get(id);
    response.writeHead(bytes ? 200 : 404).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

export async function explorerNetwork() {
  const blobs = new Map<Hex, Uint8Array>();
  const memory = blobsInMemory();
  const walrus = {
    ...memory,
    storeAndReadBack: (bytes: Uint8Array) => {
      blobs.set(keccak256(bytes), bytes);
      return memory.storeAndReadBack(bytes);
    },
  } as WalrusClient;
  const rig = await fullRig({ walrus, members: 3 });
  for (let index = 0; index < 3; index++) await rig.addMember();
  const poster = await createPoster(rig.world, walrus);
  await rig.round(["seat"]);
  await rig.round(["seat"]);
  await rig.bootstrap();

  const provider = (from: { request(args: never): Promise<unknown> }) => rpcServer((method, params) => from.request({ method, params } as never));
  const [settlement, payment] = await Promise.all([provider(rig.world.provider), provider(rig.paymentChain.provider)]);
  const bent = new Map<Hex, Uint8Array>();
  const [liar, honest] = await Promise.all([aggregator(new Map(), bent), aggregator(blobs, new Map())]);
  /** Answers of the door that the first ledger gives instead of its own. */
  const lies = new Map<string, (honest: Record<string, unknown>) => unknown>();
  const door = await serve({
    host: "127.0.0.1", port: 0,
    async fetch(request) {
      const answer = await rig.members[0]!.api(request);
      const lie = lies.get(new URL(request.url).pathname);
      return lie ? Response.json(lie((await answer.json()) as Record<string, unknown>)) : answer;
    },
  });
  const directory = mkdtempSync(join(tmpdir(), "og-explorer-"));
  await buildExplorer(directory);
  const server = await serveExplorer({
    directory, host: "127.0.0.1", port: 0, name: "test",
    settlement: { rpcUrl: settlement.url, deployment: { chainId: rig.world.chainId, contracts: { ...rig.world.addresses } }, startBlock: 0n },
    payment: { rpcUrl: payment.url, deployment: { chainId: 713371, contracts: { ...rig.payment } as never }, startBlock: 0n },
    aggregators: [liar.url, honest.url], ledgers: [door.url],
  });
  return {
    rig, poster, server, blobs, bent, lies, rpcUrl: settlement.url,
    /** Checked, certified, final, and told to the payment chain. */
    async settleAll() {
      await rig.round(["check", "sign", "certify"]);
      await rig.pass(Number(rig.world.parameters.settlement.window));
      await rig.world.networkHelpers.mine(Number(rig.world.parameters.settlement.windowBlocks));
      await rig.round(["finalize"]);
      await rig.carry();
    },
    async stop() {
      await server.close(0);
      await door.close(0);
      for (const one of [liar, honest]) one.server.close();
      await Promise.all([settlement.close(), payment.close()]);
      await rig.stop();
    },
  };
}
