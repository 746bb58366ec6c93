import { expect } from "chai";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { createPool, type RpcEndpoint } from "../../keepers/chain/index.ts";
import { simulatedClock, systemClock } from "../../keepers/clock/index.ts";
import { commonFields, documentConfig, loadConfig, printConfig, readDeployment } from "../../keepers/config/index.ts";
import { isKeeperError } from "../../keepers/errors/index.ts";
import { createLogger, createRedactor, silentLogger } from "../../keepers/logger/index.ts";
import { decryptKeystore, encryptKeystore, loadKey, localSigner } from "../../keepers/signer/index.ts";
import { kv, kvMigration, openStore } from "../../keepers/storage/index.ts";
import { acquireLease, leaseMigration } from "../../keepers/tx/lease.ts";
import { codeOf } from "./support/code-of.ts";
import { fakeChain } from "./support/fake-chain.ts";

describe("keepers: platform", () => {
  let dir: string;
  before(() => (dir = mkdtempSync(join(tmpdir(), "og-keep-"))));
  after(() => rmSync(dir, { recursive: true, force: true }));

  describe("config", () => {
    const env = { OG_SETTLEMENT_RPC: "http://127.0.0.1:8545/", OG_SETTLEMENT_ADDRESSES: "a.json", OG_OPS_TOKEN: "hush-hush-hush" };

    it("resolves defaults, lists and units", () => {
      const config = loadConfig(commonFields, env);
      expect(config.settlementRpc).to.deep.equal(["http://127.0.0.1:8545"]);
      expect(config.confirmations).to.equal(3);
      expect(config.opsListen).to.deep.equal({ host: "127.0.0.1", port: 9464 });
    });

    it("reports everything that is wrong at once, and no secret's value", async () => {
      try {
        loadConfig(commonFields, { OG_SETTLEMENT_RPC: "ftp://x", OG_CONFIRMATIONS: "0", OG_DEV_PRIVATE_KEY: "my-secret" });
        expect.fail("accepted");
      } catch (error) {
        if (!isKeeperError(error)) throw error;
        expect(error.code).to.equal("config.invalid");
        expect(error.details.problems).to.have.length(4);
        expect(error.message).not.to.include("my-secret");
      }
    });

    it("--check-config masks secrets; the documentation has a line for each field", () => {
      expect(printConfig(commonFields, env)).to.include("********").and.not.include("hush");
      expect(documentConfig(commonFields).split("\n")).to.have.length(Object.keys(commonFields).length + 2);
    });

    it("addresses.json: flat or nested, missing names are named", async () => {
      const file = join(dir, "addresses.json");
      writeFileSync(file, JSON.stringify({ chainId: 713370, contracts: { A: `0x${"11".repeat(20)}`, B: { address: `0x${"22".repeat(20)}` } } }));
      const deployment = readDeployment(file);
      expect(deployment.address("B")).to.equal("0x2222222222222222222222222222222222222222");
      expect(await codeOf(() => deployment.address("C"))).to.equal("config.addresses");
    });
  });

  describe("storage", () => {
    it("rolls back as a whole and joins nested transactions", () => {
      const store = openStore(":memory:");
      store.migrate(kvMigration);
      expect(() => store.transaction(() => {
        store.transaction(() => kv(store).set("a", "1"));
        throw new Error("stop");
      })).to.throw("stop");
      expect(kv(store).get("a")).to.equal(undefined);
    });

    it("migrates once, in order, and refuses a newer file", async () => {
      const path = join(dir, "store.db");
      const first = { component: "x", steps: ["CREATE TABLE x (a INTEGER) STRICT"] };
      const second = { component: "x", steps: [...first.steps, "ALTER TABLE x ADD COLUMN b INTEGER"] };
      for (const migration of [first, second, second]) {
        const store = openStore(path);
        store.migrate(migration);
        store.close();
      }
      const store = openStore(path);
      store.run("INSERT INTO x (a, b) VALUES (1, 2)");
      expect(await codeOf(() => store.migrate(first))).to.equal("storage.newer");
      store.close();
    });
  });

  describe("signer", () => {
    const key = keccak256(toHex("signer test"));
    const rule = { chainId: 31337, to: `0x${"11".repeat(20)}` as Hex, selector: "0x12345678" as Hex, maxValue: 5n };
    const tx = { chainId: 31337, to: rule.to, data: "0x12345678aa" as Hex, value: 0n, nonce: 0, gas: 100_000n, maxFeePerGas: 10n, maxPriorityFeePerGas: 1n };
    const signer = localSigner(key, { rules: [rule], maxFee: 10_000_000n });

    it("keystore v3 opens with its password and no other", async () => {
      const json = JSON.stringify(encryptKeystore(key, "correct horse", 1_024));
      expect(decryptKeystore(json, "correct horse")).to.equal(key);
      expect(await codeOf(() => decryptKeystore(json, "wrong"))).to.equal("signer.password");
      expect(await codeOf(() => decryptKeystore("{}", "x"))).to.equal("signer.keystore");
    });

    it("reads the known PBKDF2 vector of the Web3 Secret Storage definition", () => {
      const json = JSON.stringify({
        crypto: {
          cipher: "aes-128-ctr", cipherparams: { iv: "6087dab2f9fdbbfaddc31a909735c1e6" },
          ciphertext: "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46", kdf: "pbkdf2",
          kdfparams: { c: 262144, dklen: 32, prf: "hmac-sha256", salt: "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd" },
          mac: "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
        },
        id: "3198bc9c-6672-5ab3-d995-4942343ae5b6", version: 3,
      });
      expect(decryptKeystore(json, "testpassword")).to.equal("0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d");
    });

    it("K3: signs what a rule allows and nothing else", async () => {
      expect((await signer.signTransaction(tx)).hash).to.match(/^0x/);
      for (const change of [{ chainId: 1 }, { to: `0x${"22".repeat(20)}` as Hex }, { data: "0xffffffff" as Hex }, { value: 6n }, { maxFeePerGas: 1_000n }]) {
        expect(await codeOf(() => signer.signTransaction({ ...tx, ...change })), JSON.stringify(change, (_k, v) => String(v))).to.equal("signer.policy_denied");
      }
      expect((await signer.signTransaction({ ...tx, to: signer.address, data: "0x" })).raw).to.match(/^0x02/);
    });

    it("a raw key only where every chain is a devnet", async () => {
      const source = { keystore: "", keystorePasswordFile: "", devPrivateKey: key };
      expect(loadKey(source, [713370, 713371])).to.equal(key);
      expect(await codeOf(() => loadKey(source, [713370, 8453]))).to.equal("signer.raw_key_refused");
      expect(await codeOf(() => loadKey({ ...source, devPrivateKey: undefined }, [713370]))).to.equal("signer.missing");
    });
  });

  describe("lease", () => {
    it("one writer; a dead or late one is replaced and its token no longer writes", async () => {
      const store = openStore(":memory:");
      store.migrate(leaseMigration);
      const clock = simulatedClock(1);
      let alive = true;
      const take = (pid: number) => acquireLease({ store, clock, name: "k", ttlMs: 1_000, pid, isAlive: () => alive });
      const first = take(1);
      expect(await codeOf(() => take(2))).to.equal("tx.lease_held");
      alive = false;
      const second = take(2);
      expect(await codeOf(() => first.assertHeld())).to.equal("tx.lease_lost");
      alive = true;
      await clock.advance(1_500);
      const third = take(3);
      expect(third.token).to.equal(second.token + 1);
      expect(await codeOf(() => second.renew())).to.equal("tx.lease_lost");
    });
  });

  describe("RPC pool", () => {
    const clock = simulatedClock(3);
    const options = (endpoints: RpcEndpoint[]) => ({ chainId: 31337, endpoints, clock, logger: silentLogger });

    it("an endpoint of another chain, or of the same id with another genesis, is never heard", async () => {
      const right = fakeChain(31337);
      const wrongId = fakeChain(31338);
      const pool = createPool(options([wrongId.endpoint("liar", clock), right.endpoint("good", clock)]));
      expect(await pool.request("eth_chainId")).to.equal("0x7a69");
      const other = fakeChain(31337);
      other.blocks[0]!.hash = `0x${"99".repeat(32)}`;
      const strict = createPool({ ...options([other.endpoint("fork", clock)]), genesisHash: right.blocks[0]!.hash });
      expect(await codeOf(() => strict.request("eth_blockNumber"))).to.equal("chain.unreachable");
    });

    it("fails over; all down is retryable", async () => {
      const chain = fakeChain();
      let down = false;
      const pool = createPool(options([chain.endpoint("a", clock, { down: () => true }), chain.endpoint("b", clock, { down: () => down })]));
      expect((await pool.head()).number).to.equal(0n);
      down = true;
      expect(await codeOf(() => pool.request("eth_chainId"))).to.equal("chain.unreachable");
      expect(pool.health().map(({ healthy }) => healthy)).to.deep.equal([false, false]);
    });

    it("a read for money needs two that agree: one liar of three is outvoted, one of two is a stalemate", async () => {
      const chain = fakeChain();
      chain.mine(3);
      const liar: RpcEndpoint = { name: "liar", call: async (method, params, signal) => (method === "eth_getTransactionCount" ? "0x99" : chain.endpoint("x", clock).call(method, params, signal)) };
      const args = ["eth_getTransactionCount", [`0x${"11".repeat(20)}`, "latest"]] as const;
      const good = (name: string) => chain.endpoint(name, clock);
      expect(await createPool(options([liar, good("a"), good("b")])).agree(...args)).to.equal("0x0");
      expect(await codeOf(() => createPool(options([liar, good("a")])).agree(...args))).to.equal("chain.no_quorum");
    });

    it("a head that only one endpoint claims is not believed", async () => {
      const chain = fakeChain();
      chain.mine(5);
      const ahead = fakeChain();
      ahead.mine(500);
      const pool = createPool(options([ahead.endpoint("ahead", clock), chain.endpoint("a", clock), chain.endpoint("b", clock)]));
      expect((await pool.head()).number).to.equal(5n);
    });

    it("one endpoint is enough only on a devnet", async () => {
      expect(await codeOf(() => createPool({ ...options([fakeChain(8453).endpoint("a", clock)]), chainId: 8453 }))).to.equal("chain.one_endpoint");
    });

    it("an endpoint that hangs is left after the timeout", async () => {
      const chain = fakeChain();
      const hanging: RpcEndpoint = { name: "hang", call: () => new Promise(() => {}) };
      const pool = createPool({ ...options([hanging, chain.endpoint("a", clock)]), clock: systemClock(), timeoutMs: 50 });
      expect(await pool.request("eth_chainId")).to.equal("0x7a69");
    });
  });

  describe("log lines", () => {
    it("K6: secrets never come out, by name or by value, nested or in a message", () => {
      const lines: string[] = [];
      const redact = createRedactor();
      const key = keccak256(toHex("leaky"));
      redact.learn(key);
      const log = createLogger({ level: "debug", redact, destination: { write: (line) => void lines.push(line) } });
      log.info({ privateKey: "abcdefgh", deep: { list: [{ password: "swordfish" }] }, url: "https://user:pass1234@host/x", big: 5n }, `using ${key}`);
      log.error({ error: new Error(`bad ${key.slice(2)}`, { cause: new Error(key) }) }, "failed");
      const out = lines.join("");
      for (const secret of [key, key.slice(2), "abcdefgh", "swordfish", "pass1234"]) expect(out).not.to.include(secret);
      expect(JSON.parse(lines[0]!)).to.include({ level: "info", big: "5" });
    });
  });

  it("clock: seeded chance is the same everywhere, sleepers wake in order", async () => {
    const clock = simulatedClock(42);
    expect(clock.random()).to.equal(simulatedClock(42).random());
    const woken: number[] = [];
    void clock.sleep(200).then(() => woken.push(2));
    void clock.sleep(100).then(() => woken.push(1));
    await clock.advance(300);
    expect(woken).to.deep.equal([1, 2]);
    expect(privateKeyToAccount(keccak256("0x01")).address).to.match(/^0x/);
  });
});
