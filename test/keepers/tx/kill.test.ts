import { expect } from "chai";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RpcAnswerError } from "../../../keepers/chain/index.ts";
import { systemClock } from "../../../keepers/clock/index.ts";
import { fakeChain, type FakeChain } from "../support/fake-chain.ts";

describe("transaction journal: kill -9 of a real process at every arrow", () => {
  let dir: string;
  let chain: FakeChain;
  let server: Server;
  let mining: NodeJS.Timeout;
  // Chain time runs ahead of the clock, so that patience ends soon.
  const startMining = () => (mining = setInterval(() => chain.mine(1, 3), 60));

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "og-kill-"));
    chain = fakeChain();
    const endpoint = chain.endpoint("http", systemClock(), { dialect: "geth" });
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
        const { method, params } = JSON.parse(Buffer.concat(chunks).toString()) as { method: string; params: unknown[] };
        const reply = (body: object) => response.setHeader("content-type", "application/json").end(JSON.stringify({ jsonrpc: "2.0", id: 1, ...body }));
        endpoint.call(method, params, new AbortController().signal).then(
          (result) => reply({ result }),
          (error: unknown) => reply({ error: error instanceof RpcAnswerError ? { code: error.code, message: error.message, data: error.data } : { code: -32603, message: String(error) } }),
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    startMining();
  });

  afterEach(() => {
    clearInterval(mining);
    server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  function child(point: string, deadline = ""): Promise<{ signal: string | null; outcome: string }> {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const running = spawn(process.execPath, ["test/keepers/tx/child.ts", join(dir, "journal.db"), url, point, deadline], { stdio: ["ignore", "pipe", "inherit"] });
    let outcome = "";
    running.stdout.on("data", (chunk: Buffer) => (outcome += chunk.toString()));
    return new Promise((resolve) => running.on("close", (_code, signal) => resolve({ signal, outcome: outcome.trim() })));
  }

  it("planned to final, with a bump, through fifteen deaths: one effect, no manual step", async () => {
    chain.hold = true;
    const points = [
      "planned:committed", "simulated:before", "simulated:committed", "signed:before", "signed:committed", "broadcast:before", "broadcast:committed", "broadcast:sent",
      "bumped:before", "bumped:committed", "bumped:sent", "mined:before", "mined:committed", "final:before", "final:committed",
    ];
    for (const point of points) {
      if (point === "mined:before") chain.hold = false;
      // "broadcast:sent" comes back after each restart of an open transaction; the first death decides.
      expect((await child(point)).signal, point).to.equal("SIGKILL");
    }
    const { outcome } = await child("");
    expect(outcome).to.match(/^final 0x/);
    expect(chain.effects().map(({ hash }) => hash)).to.deep.equal([outcome.slice(6)]);
  });

  it("the way of a withdrawal: past its deadline the nonce goes to a self transfer, through four deaths", async () => {
    chain.hold = true;
    const deadline = String(chain.blocks.at(-1)!.timestamp + 120);
    // No block until it is broadcast, however long a process takes to start: the deadline comes afterwards.
    clearInterval(mining);
    expect((await child("broadcast:sent", deadline)).signal).to.equal("SIGKILL");
    chain.mine(1, 200);
    startMining();
    for (const point of ["cancelling:before", "cancelling:committed", "cancelling:sent"]) expect((await child(point, deadline)).signal, point).to.equal("SIGKILL");
    chain.hold = false;
    expect((await child("cancelled:before", deadline)).signal).to.equal("SIGKILL");
    expect((await child("", deadline)).outcome).to.equal("tx.cancelled");
    expect(chain.effects()).to.have.length(0);
    expect(chain.blocks.flatMap(({ txs }) => txs)).to.have.length(1);
  });
});
