import { expect } from "chai";
import { mkdtempSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildExplorer } from "../../explorer/build.ts";
import { serveExplorer } from "../../explorer/server/serve.ts";
import { withExplorer } from "../../keepers/http/page.ts";
import type { HttpServer } from "../../keepers/http/server.ts";
import { rpcServer, type RpcServer } from "../utils/rpc-server.ts";

describe("explorer: its server", () => {
  let upstream: RpcServer;
  let server: HttpServer;
  const asked: string[] = [];
  before(async () => {
    upstream = await rpcServer(async (method) => {
      asked.push(method);
      return "0x1";
    });
    const directory = mkdtempSync(join(tmpdir(), "og-explorer-"));
    const sizes = await buildExplorer(directory);
    expect(Object.keys(sizes)).to.include.members(["main.js", "worker.js"]);
    const deployment = { chainId: 1, contracts: { NodeRegistry: "0x1111111111111111111111111111111111111111" } } as const;
    server = await serveExplorer({ directory, host: "127.0.0.1", port: 0, name: "test", settlement: { rpcUrl: upstream.url, deployment, startBlock: 0n }, payment: null, aggregators: ["http://127.0.0.1:9"], ledgers: ["http://127.0.0.1:9"] });
  });
  after(async () => {
    await server?.close(0);
    await upstream?.close();
  });

  const get = (path: string, headers: Record<string, string> = {}) => fetch(`${server.url}${path}`, { headers });
  const post = (body: unknown) => fetch(`${server.url}/via/settlement`, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });

  it("the page: no inline script or style, nothing foreign, and a policy that forbids both", async () => {
    const response = await get("/");
    const text = await response.text();
    expect(text).to.not.match(/<script(?![^>]*\bsrc="main\.js")|<style|\son\w+=|style="|https?:\/\//);
    const policy = response.headers.get("content-security-policy")!;
    for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'"]) expect(policy.split("; ")).to.include(rule);
    expect(policy).to.not.match(/unsafe|\*|data:/);
    for (const [name, value] of [["x-content-type-options", "nosniff"], ["referrer-policy", "no-referrer"]] as const) expect(response.headers.get(name)).to.equal(value);
  });

  it("only the page's own files", async () => {
    for (const path of ["/main.js", "/worker.js", "/style.css", "/icon.svg", "/index.html", "/explorer.json"]) expect((await get(path)).status, path).to.equal(200);
    for (const path of ["/../package.json", "/%2e%2e/package.json", "/etc/passwd", "/__proto__", "/constructor", "/main.js/", "/via", "/via/", "/via/settlement/x", "/via/walrus/0/v1/blobs/short", "/via/walrus/1/v1/blobs/" + "A".repeat(43), "/via/ledger/0/status", "/via/ledger/0/ledger/..%2fx"]) expect((await get(path)).status, path).to.equal(404);
    expect(await (await get("/explorer.json")).json()).to.deep.include({ name: "test", payment: null, aggregators: ["/via/walrus/0"], ledgers: ["/via/ledger/0"] });
  });

  it("reads go through to the chain, one or many; what writes or signs does not", async () => {
    const call = (method: unknown) => ({ jsonrpc: "2.0", id: 1, method, params: [] });
    expect(await (await post(call("eth_chainId"))).json()).to.deep.include({ result: "0x1" });
    expect(await (await post([call("eth_call"), call("eth_getLogs")])).json()).to.have.length(2);
    const before = asked.length;
    for (const method of ["eth_sendTransaction", "eth_sendRawTransaction", "eth_sign", "eth_accounts", "personal_unlockAccount", "hardhat_setBalance", "evm_mine", "debug_traceTransaction", "", null, undefined, 5, {}]) {
      expect((await post(call(method))).status, String(method)).to.equal(403);
      expect((await post([call("eth_chainId"), call(method)])).status, `with ${String(method)}`).to.equal(403);
    }
    for (const [body, status] of [["nonsense", 400], ["[]", 400], [JSON.stringify(Array(101).fill(call("eth_chainId"))), 400], [`["${"x".repeat(600_000)}"]`, 413], ["null", 403]] as const) expect((await post(body)).status, body.slice(0, 20)).to.equal(status);
    expect(asked.length).to.equal(before);
    expect((await get("/via/settlement")).status).to.equal(405);
    expect((await fetch(server.url, { method: "POST" })).status).to.equal(405);
  });

  it("another site's name for this machine is not answered to", async () => {
    const status = await new Promise<number>((resolve, reject) => request(`${server.url}/explorer.json`, { headers: { host: "evil.example" } }, (answer) => resolve(answer.resume().statusCode!)).on("error", reject).end());
    expect(status).to.equal(421);
  });

  it("an upstream that does not answer is told as such", async () => {
    const response = await get(`/via/walrus/0/v1/blobs/${"A".repeat(43)}`);
    expect([response.status, ((await response.json()) as { error: { message: string } }).error.message]).to.satisfy(([status, message]: [number, string]) => status === 502 && /did not answer/.test(message));
  });
});

describe("explorer: under a full node's door", () => {
  const directory = mkdtempSync(join(tmpdir(), "og-explorer-"));
  const door = withExplorer(directory, async ({ url }) => new Response(`ledger ${new URL(url).pathname}`));
  const get = (path: string, method = "GET") => door(new Request(`https://full.example${path}`, { method }));
  before(() => buildExplorer(directory));

  it("says what is missing until the operator has written explorer.json", async () => {
    const response = await get("/explorer/");
    expect([response.status, await response.text()]).to.deep.equal([503, "This node's explorer.json is missing or is not JSON; its operator finds it in docs/explorer.md.\n"]);
  });

  it("serves the page, and its policy names the places in explorer.json", async () => {
    writeFileSync(join(directory, "explorer.json"), JSON.stringify({ settlement: { rpcUrl: "https://rpc.example/key" }, payment: null, aggregators: ["https://walrus.example/", "javascript:alert(1)", 5], ledgers: [".."] }));
    const response = await get("/explorer/");
    expect(response.status).to.equal(200);
    expect(response.headers.get("content-security-policy")).to.include("connect-src 'self' https://rpc.example https://walrus.example;");
    expect((await get("/explorer")).headers.get("location")).to.equal("/explorer/");
    for (const path of ["main.js", "worker.js", "style.css", "explorer.json"]) expect((await get(`/explorer/${path}`)).status, path).to.equal(200);
    for (const path of ["x", "..%2fpackage.json", "constructor", "main.js/x"]) expect((await get(`/explorer/${path}`)).status, path).to.equal(404);
    expect(await (await get("/explorer/../../package.json")).text()).to.equal("ledger /package.json");
  });

  it("everything else is the ledger's, and without a directory all of it", async () => {
    for (const path of ["/ledger/headers", "/explorers", "/"]) expect(await (await get(path)).text()).to.equal(`ledger ${path}`);
    expect(await (await get("/explorer/", "POST")).text()).to.equal("ledger /explorer/");
    expect(await (await withExplorer("", async () => new Response("ledger"))(new Request("https://full.example/explorer/"))).text()).to.equal("ledger");
  });
});
