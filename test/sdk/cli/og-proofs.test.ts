import { expect } from "chai";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { type Hex, createWalletClient, http, keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { compileModel, writeArtifacts } from "../../../circuits/compiler/index.ts";
import { mlp } from "../../../circuits/models/zoo.ts";
import { encodeProof } from "../../../circuits/setup/encode.ts";
import { setUpForDevelopment } from "../../../circuits/setup/manifest.ts";
import { withProofCommands } from "../../../sdk/cli/proofs.ts";
import { integerPublication } from "../../../sdk/models/integer.ts";
import { publishModel } from "../../../sdk/models/publish.ts";
import { chainAccess } from "../../../sdk/network/network.ts";
import { ProofRefused, isRequestSettled, nextRequestNumber, proofPlace, settleProofs } from "../../../sdk/network/proofs.ts";
import { type ProvedRequest, Verification, requestContext } from "../../../sdk/protocol/index.ts";
import { closeSnarkjs, proveTiny, tiny } from "../../circuits/setup/tools.ts";
import { type RpcServer, rpcServer } from "../../utils/rpc-server.ts";
import { type World, ZERO, bytes32, settlementWorld } from "../../utils/settlement-world.ts";
import { runOg } from "./run.ts";

const KEY = keccak256(toHex("og proof asker"));
const asker = privateKeyToAccount(KEY);
const OTHER = keccak256(toHex("somebody else"));

describe("og zk request, prove, settle", () => {
  let w: World;
  let server: RpcServer;
  let settlement: ReturnType<typeof chainAccess>;
  let dir: string;
  let modelId: Hex;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "og-proofs-"));
    w = await settlementWorld();
    server = await rpcServer((method, params) => w.ethers.provider.send(method, params));
    settlement = chainAccess("settlement", server.url, { chainId: w.chainId, contracts: w.addresses as never });
    for (const account of [asker, privateKeyToAccount(OTHER)]) await w.networkHelpers.setBalance(account.address, 10n ** 20n);
    writeFileSync(join(dir, "settlement.json"), JSON.stringify({ chainId: w.chainId, contracts: w.addresses }));
    // The payment chain plays no part: the settlement chain stands in for it.
    const chain = { rpcUrl: server.url, addresses: join(dir, "settlement.json") };
    writeFileSync(join(dir, "og.json"), JSON.stringify({ settlement: chain, payment: chain }));

    const folder = join(dir, "model");
    await writeArtifacts(compileModel(mlp([4, 3, 2], 5, true), { inputs: { x: { lo: -2, hi: 2 } } }), folder);
    await setUpForDevelopment(join(folder, "model.r1cs"), folder);
    const blobs = { storeAndReadBack: (bytes: Uint8Array) => Promise.resolve({ blobId: keccak256(bytes) }) };
    ({ modelId } = await publishModel(settlement, wallet(), asker, blobs, { ...(await integerPublication(folder)), name: "m", version: "1", methods: [Verification.Zkml], licence: "MIT" }));
    writeFileSync(join(dir, "input.json"), JSON.stringify({ x: [0.5, -0.25, 1, 0] }));
  });
  after(async () => {
    await server.close();
    await closeSnarkjs();
    rmSync(dir, { recursive: true, force: true });
  });

  const wallet = () => createWalletClient({ chain: settlement.chain, transport: http(server.url), account: asker });
  const og = (args: string[], key: Hex = KEY) => runOg(["zk", ...args], { dir, key });
  /** The same commands in this process: for refusals. @returns what a person would read. */
  async function refusal(args: string[], key = KEY): Promise<string> {
    const before = { network: process.env.OG_NETWORK, key: process.env.OG_DEV_PRIVATE_KEY };
    Object.assign(process.env, { OG_NETWORK: join(dir, "og.json"), OG_DEV_PRIVATE_KEY: key });
    try {
      await withProofCommands(new Command("zk")).parseAsync(args, { from: "user" });
      return "done";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      for (const [name, value] of [["OG_NETWORK", before.network], ["OG_DEV_PRIVATE_KEY", before.key]] as const) if (value === undefined) delete process.env[name]; else process.env[name] = value;
    }
  }
  const file = (name: string) => join(dir, name);

  it("a person asks, proves and settles; the answer is on record, once", async () => {
    const asked = await og(["request", modelId, "--out", file("request.json")]);
    expect(asked.code, asked.err).to.equal(0);
    expect(asked.out).to.include("request 0 of").and.include("set-up level 0: anyone can forge");
    const ctx = /^ctx (0x[0-9a-f]+)$/m.exec(asked.out)![1]!;
    expect(await refusal(["settled", "0"])).to.equal(`Request 0 of ${asker.address} has not been settled.`);
    const proved = await og(["prove", join(dir, "model"), file("input.json"), "--ctx", ctx, "--out", file("proof.json")]);
    expect(proved.code, proved.out + proved.err).to.equal(0);

    // Another's key, a request that was tampered with, a proof for another context, no proof at all: each says what to do.
    const request = JSON.parse(readFileSync(file("request.json"), "utf8")) as object;
    writeFileSync(file("bent.json"), JSON.stringify({ ...request, deadline: 1 }));
    writeFileSync(file("foreign.json"), JSON.stringify({ ...request, chainId: 1 }));
    const proof = JSON.parse(readFileSync(file("proof.json"), "utf8")) as { publicInputs: string[] };
    writeFileSync(file("other.json"), JSON.stringify({ ...proof, publicInputs: ["0x1", ...proof.publicInputs.slice(1)] }));
    writeFileSync(file("wrong.json"), JSON.stringify({ ...proof, publicInputs: [...proof.publicInputs.slice(0, -1), "0x7"] }));
    for (const [args, key, text] of [
      [["settle", file("request.json"), file("proof.json")], OTHER, "only the asker can settle it"],
      [["settle", file("bent.json"), file("proof.json")], KEY, "was changed"],
      [["settle", file("foreign.json"), file("proof.json")], KEY, "on chain 1"],
      [["settle", file("request.json"), file("other.json")], KEY, `Prove again with --ctx ${ctx}`],
      [["settle", file("request.json"), file("wrong.json")], KEY, "The proof does not prove this"],
      [["settle", file("request.json"), file("input.json")], KEY, "is no proof file"],
      [["settle", file("input.json"), file("proof.json")], KEY, "is no request"],
      [["request", bytes32("nothing"), "--out", file("x.json")], KEY, "is not in the registry"],
      [["request", modelId, "--number", "1e9", "--out", file("x.json")], KEY, "below 2^96"],
      [["request", modelId, "--deadline", "0", "--out", file("x.json")], KEY, "from 1 to 31536000"],
      [["request", modelId, "--beneficiary", "me", "--out", file("x.json")], KEY, "is no address"],
      [["request", modelId, "--out", file("request.json")], KEY, "name another file"],
    ] as [string[], Hex, string][]) {
      expect(await refusal(args, key), args.join(" ")).to.include(text);
    }

    const settled = await og(["settle", file("request.json"), file("proof.json"), "--keep"]);
    expect(settled.code, settled.err).to.equal(0);
    expect(settled.out).to.include("sent   0x").and.include(`word 1 ${toHex(BigInt(proof.publicInputs[2]!))}`);
    const shown = await og(["settled", "0", "--asker", asker.address]);
    expect(shown.out).to.include(`settled: model ${modelId}`).and.include(`word 0 ${toHex(BigInt(proof.publicInputs[1]!))}`);
    expect(await refusal(["settle", file("request.json"), file("proof.json")])).to.equal("Request 0 of this account was settled before. Take a new number and prove for that.");
    expect(await refusal(["request", modelId, "--number", "0", "--out", file("x.json")])).to.include("was settled before");
    expect(await nextRequestNumber(settlement, asker.address)).to.equal(1n);
  });

  it("a batch settles without the proofs that the chain does not take", async () => {
    const circuit = await tiny();
    const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
    await keys.register(circuit.files.keyBytes);
    const model = {
      name: "tiny", version: "1", programHash: bytes32("program"), kind: 2, blobId: ZERO, contentHash: bytes32("content"), manifestHash: ZERO, circuitHash: ZERO, weightsHash: ZERO,
      methods: 0b00100, vkHash: circuit.files.manifest.vkHash, royaltyTo: "0x0000000000000000000000000000000000000000", royaltyBps: 0, licence: "MIT",
    };
    await w.models.publishModel(model);
    const { timestamp } = await settlement.client.getBlock();
    const terms = { modelId: (await w.models.modelIdOf(w.admin.address, model)) as Hex, beneficiary: asker.address, deadline: timestamp + 3_600n };
    const made: ProvedRequest[] = [];
    for (const number of [250n, 251n, 260n, 261n]) {
      const { proof, inputs } = await proveTiny(circuit.files.zkey, requestContext(proofPlace(settlement, asker.address), { ...terms, number }), 3n, number % 250n);
      made.push({ number, proof: encodeProof(proof), words: inputs.slice(1) });
    }
    const spoilt = made.map((item, i) => (i === 1 ? { ...item, words: [item.words[0]!, item.words[1]! + 1n] } : i === 2 ? { ...item, proof: made[0]!.proof } : item));
    const { refused, hash } = await settleProofs(settlement, wallet(), asker, terms, spoilt);
    expect(refused).to.deep.equal([1, 2]);
    expect(hash).to.match(/^0x/);
    for (const [number, there] of [[250n, true], [251n, false], [260n, false], [261n, true]] as const) expect(await isRequestSettled(settlement, asker.address, number)).to.equal(there);
    expect((await settleProofs(settlement, wallet(), asker, terms, [spoilt[1]!])).hash).to.equal(undefined);
    // What is wrong with the batch is no proof's fault.
    const whole = (of: Partial<typeof terms>, proved = made.slice(1, 3)) => settleProofs(settlement, wallet(), asker, { ...terms, ...of }, proved).then(() => "settled", (error: unknown) => (error instanceof ProofRefused ? error.error : String(error)));
    expect(await whole({ modelId: bytes32("nothing") })).to.equal("VerifierRouterNoVerifier");
    expect(await whole({ deadline: 1n })).to.equal("ProofSettlementExpired");
    expect(await whole({}, made)).to.equal("ProofSettlementReplayed");
    expect(await whole({})).to.equal("settled");
  });
});
