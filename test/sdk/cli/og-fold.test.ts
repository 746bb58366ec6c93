import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Hex, keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { WEIGHT_LANES, compileModel, loadModel, writeArtifacts } from "../../../circuits/compiler/index.ts";
import { mlp } from "../../../circuits/models/zoo.ts";
import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { planClaim } from "../../../circuits/setup/fold-claim.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { type Fold, foldOf } from "../../../sdk/models/fold.ts";
import { type RpcServer, rpcServer } from "../../utils/rpc-server.ts";
import { type World, settlementWorld } from "../../utils/settlement-world.ts";
import { runOg } from "./run.ts";

const KEY: Hex = keccak256(toHex("folder"));
const publisher = privateKeyToAccount(KEY);

describe("og zk fold", () => {
  let w: World;
  let server: RpcServer;
  let dir: string;
  const folds: Fold[] = [];
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "og-fold-"));
    w = await settlementWorld();
    server = await rpcServer((method, params) => w.ethers.provider.send(method, params));
    await w.networkHelpers.setBalance(publisher.address, 10n ** 20n);
    writeFileSync(join(dir, "settlement.json"), JSON.stringify({ chainId: w.chainId, contracts: w.addresses }));
    const chain = { rpcUrl: server.url, addresses: join(dir, "settlement.json") };
    writeFileSync(join(dir, "og.json"), JSON.stringify({ settlement: chain, payment: chain }));
    for (const [seed, name] of [[3, "one"], [40, "two"]] as const) {
      const folder = join(dir, name);
      mkdirSync(folder);
      await writeArtifacts(compileModel(mlp([6, 7, 3], seed), { weights: "public" }), folder);
      if (seed === 3) await makeDevelopmentKey(join(folder, "model.r1cs"), join(folder, "proving.zkey"), { tau: 71n, alpha: 72n, beta: 73n, gamma: 1n, delta: 74n });
      else cpSync(join(dir, "one", "proving.zkey"), join(folder, "proving.zkey"));
      writeFileSync(join(folder, "verifying-key.json"), "{}");
      folds.push(foldOf(await loadModel(folder), readVerifyingKey(join(folder, "proving.zkey")))!);
    }
  });
  after(async () => {
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const og = (args: string[]) => runOg(["zk", "fold", ...args], { dir, key: KEY });
  const fold = () => w.ethers.getContractAt("Groth16Fold", w.addresses.Groth16Fold);
  const isFolded = async ({ vkHash, circuitHash, weightsHash }: Fold) => (await fold()).isFolded(vkHash, circuitHash, weightsHash);

  it("has the weights computed into a key, once", async () => {
    const { code, out, err } = await og([join(dir, "one")]);
    expect(code, err).to.equal(0);
    expect(out).to.match(/1 of 1 chunks/);
    expect(out).to.include(`folded ${folds[0]!.vkHash}`);
    expect(await isFolded(folds[0]!)).to.equal(true);
    expect((await og([join(dir, "one")])).out).to.include("sent   nothing");
  });

  it("claims, waits for the window, goes on where it stopped, and gets its bond back", async () => {
    // An earlier run has posted and was killed before it sealed.
    const how = folds[1]!.how as Extract<Fold["how"], { kind: "weights" }>;
    const { circuitHash, weightsHash } = folds[1]!;
    const contract = await fold();
    const signer = new (await import("ethers")).Wallet(KEY, w.ethers.provider);
    await contract.connect(signer).getFunction("postChunks")(circuitHash, weightsHash, planClaim(how, WEIGHT_LANES), { value: await contract.CLAIM_BOND() });
    const first = await og([join(dir, "two"), "--claim"]);
    expect(first.code, first.err).to.equal(0);
    expect(first.out.match(/^sent/gm)).to.have.length(1);
    expect(first.out).to.match(/the window closes at \d{4}-/);
    expect((await og([join(dir, "two"), "--claim"])).out).to.match(/sent   nothing\nclaimed; the window closes/);
    expect(await isFolded(folds[1]!)).to.equal(false);
    await w.networkHelpers.time.increase(await contract.CLAIM_WINDOW());
    const last = await og([join(dir, "two"), "--claim"]);
    expect(last.out).to.include(`folded ${folds[1]!.vkHash}`);
    expect([await isFolded(folds[1]!), await contract.creditOf(publisher.address)]).to.deep.equal([true, 0n]);
  });
});
