import { expect } from "chai";
import { createPublicClient, custom, keccak256, toBytes, type Address, type Hex } from "viem";

import { R } from "../../../circuits/setup/field.ts";
import { refusedProofs } from "../../../keepers/roles/inference/proofCheck.ts";
import type { PendingReceipt } from "../../../keepers/roles/inference/ledger.ts";
import { codeOf } from "../proving/tools.ts";
import { closeSnarkjs } from "../../circuits/setup/tools.ts";
import { deploy, negated, submissions, withWords, words } from "../../settlement/groth16/tools.ts";

/** Real proofs, asked of the real router: what a node does before it signs a header over them. */
describe("inference node: proofs that the chain would refuse", () => {
  let entries: PendingReceipt[];
  let settlement: Parameters<typeof refusedProofs>[0];
  let calls: number;
  let freeze: (modelId: Hex) => Promise<unknown>;
  const models: Hex[] = [];

  before(async () => {
    const { ethers, authority, keys, circuit, connection } = await deploy();
    const fold = await ethers.deployContract("Groth16Fold", [await authority.getAddress(), await keys.getAddress(), 1_000n, 3_600]);
    const registry = await ethers.deployContract("ModelRegistry", [await keys.getAddress(), await fold.getAddress()]);
    const router = await ethers.deployContract("VerifierRouter", [await authority.getAddress(), await registry.getAddress()]);
    for (const version of ["1", "2"]) {
      const model = {
        name: "tiny", version, programHash: keccak256(toBytes(version)), kind: 2, blobId: ethers.ZeroHash, contentHash: keccak256("0x01"), manifestHash: ethers.ZeroHash, circuitHash: ethers.ZeroHash, weightsHash: ethers.ZeroHash,
        methods: 1 << 2, vkHash: circuit.files.manifest.vkHash, royaltyTo: ethers.ZeroAddress, royaltyBps: 0, licence: "MIT",
      };
      models.push((await registry.publishModel.staticCall(model)) as Hex);
      await registry.publishModel(model);
    }
    freeze = (modelId) => router.freeze(modelId);
    const made = await submissions(circuit.files.zkey, 8);
    entries = made.map(({ proof, inputs }, i) => ({
      digest: keccak256(toBytes(`d${i}`)), receipt: { modelId: models[i < 6 ? 0 : 1] } as PendingReceipt["receipt"], signature: "0x", settlementMode: 0, verification: 2, storedAt: 0,
      proof: { bytes: proof, publicInputs: inputs },
    }));
    const address = (await router.getAddress()) as Address;
    // Hardhat's node answers a revert with a code that viem takes for worth another try.
    const transport = custom(
      {
        request: (request: { method: string; params?: unknown[] }) => {
          if (request.method === "eth_call") calls++;
          return connection.provider.request(request as never);
        },
      },
      { retryCount: 0 },
    );
    settlement = { client: createPublicClient({ transport }) as never, deployment: { address: () => address } as never };
  });
  after(closeSnarkjs);
  beforeEach(() => {
    calls = 0;
  });

  const refused = async (list: readonly PendingReceipt[]) => (await refusedProofs(settlement, list)).map(({ digest }) => entries.findIndex((entry) => entry.digest === digest));
  const changed = (index: number, proof: (old: NonNullable<PendingReceipt["proof"]>) => Partial<NonNullable<PendingReceipt["proof"]>>) =>
    entries.map((entry, i) => (i === index ? { ...entry, proof: { ...entry.proof!, ...proof(entry.proof!) } } : entry));

  it("none: one question for each model, in whatever order the receipts stand", async () => {
    expect(await refused([...entries].reverse())).to.deep.equal([]);
    expect(calls).to.equal(2);
    expect(await refused(entries.map(({ proof: _, ...entry }) => entry))).to.deep.equal([]);
  });

  for (const [title, change] of [
    ["a negated point", ({ bytes }) => ({ bytes: withWords(bytes, { 7: negated(words(bytes)[7]!) }) })],
    ["a point off the curve", ({ bytes }) => ({ bytes: withWords(bytes, { 0: 1n, 1: 1n }) })],
    ["a proof of another request", () => ({ bytes: entries[0]!.proof!.bytes })],
    ["a public input past the field", ({ publicInputs }) => ({ publicInputs: [publicInputs[0]! + R, ...publicInputs.slice(1)] })],
    ["a proof that is cut off", ({ bytes }) => ({ bytes: bytes.slice(0, -2) as Hex })],
  ] as [string, (old: NonNullable<PendingReceipt["proof"]>) => Partial<NonNullable<PendingReceipt["proof"]>>][]) {
    it(`${title} is found, alone, in few calls`, async () => {
      expect(await refused(changed(3, change))).to.deep.equal([3]);
      expect(calls).to.be.at.most(8);
    });
  }

  it("two of them are found", async () => {
    const spoilt = changed(1, ({ bytes }) => ({ bytes: withWords(bytes, { 1: negated(words(bytes)[1]!) }) }));
    spoilt[7] = { ...entries[7]!, proof: { ...entries[7]!.proof!, bytes: entries[6]!.proof!.bytes } };
    expect((await refused(spoilt)).sort()).to.deep.equal([1, 7]);
  });

  it("a chain that does not answer, a model without a verifier and a frozen one refuse nothing", async () => {
    const down = { ...settlement, client: createPublicClient({ transport: custom({ request: () => Promise.reject(new Error("down")) }, { retryCount: 0 }) }) as never };
    expect(await codeOf(refusedProofs(down, entries))).to.equal("retryable settlement.proofs_not_asked");
    const unknown = entries.map((entry) => ({ ...entry, receipt: { modelId: keccak256("0x77") } as PendingReceipt["receipt"] }));
    expect(await codeOf(refusedProofs(settlement, unknown))).to.equal("retryable settlement.proofs_not_asked");
    await freeze(models[0]!);
    expect(await codeOf(refusedProofs(settlement, entries))).to.equal("retryable settlement.proofs_not_asked");
  });
});
