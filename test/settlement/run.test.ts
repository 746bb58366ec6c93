import { expect } from "chai";
import { AbiCoder } from "ethers";
import { type Hex, type Log, encodePacked, keccak256 } from "viem";
import { readFileSync } from "node:fs";
import { encodeProof, statementHash } from "../../circuits/setup/encode.ts";
import { settlementsIn } from "../../keepers/roles/full/calldata.ts";
import { BatchStatus, Role, type Run, type Terms, headerHash, readRun, runOf, termsHash, tipOf } from "../../sdk/protocol/index.ts";
import { closeSnarkjs, proveTiny, tiny } from "../circuits/setup/tools.ts";
import { p256Signer, rsaSigner } from "../utils/signers.ts";
import { type World, ZERO, bytes32, secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, PLAIN, build, domainOf, line, receipt, runSettlement, settlementOf, terms } from "./builder.ts";

const NOBODY = "0x0000000000000000000000000000000000000000";

describe("InferenceSettlement, runs", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  before(async () => {
    w = await settlementWorld();
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
  });

  /** All that a settlement leaves behind. */
  async function trace(built: Built, call: () => Promise<{ wait(): Promise<{ logs: readonly { topics: readonly string[]; data: string }[] } | null> }>) {
    const logs = (await (await call()).wait())!.logs.map(({ topics, data }) => ({ topics: [...topics], data }) as unknown as Log);
    const { status, fullBond, openDemands } = await w.settlement.batch(built.hash);
    const lines = await Promise.all(built.stretches.map(({ paymentId }) => w.settlement.line(node.nodeId, paymentId)));
    return JSON.stringify({ logs: logs.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)), status, fullBond, openDemands, lines, tip: await w.settlement.tip(node.nodeId) }, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  }

  it("S8 a run leaves what `settle` leaves: same header, state and events, over one and several payments", async () => {
    for (const counts of [[1], [5], [2, 1, 3]]) {
      const now = await w.now();
      const receipts = counts.flatMap((count, i) => line(node, now - BigInt(i), count, { paymentId: bytes32(`p${i}`), cumulativeBefore: 7n * BigInt(i), sequence: BigInt(i) }));
      const built = await build(w, node, receipts, PLAIN);
      const snapshot = await w.networkHelpers.takeSnapshot();
      const general = await trace(built, () => w.settlement.settle(settlementOf(built, [terms(node)])));
      await snapshot.restore();
      expect(await trace(built, () => w.settlement.settleRun(runSettlement(built, terms(node))))).to.equal(general);
      await snapshot.restore();
    }
  });

  it("S2 a run continues the node's chain and its lines; nothing settles twice, in whichever call", async () => {
    const first = await build(w, node, line(node, await w.now(), 2), PLAIN);
    const run = runSettlement(first, terms(node));
    await w.settlement.settleRun(run);
    await expect(w.settlement.settleRun(run)).to.be.revertedWithCustomError(w.settlement, "SettlementAlreadySettled").withArgs(0n, bytes32("payment"), 200n, 2n);
    const again = await build(w, node, first.receipts);
    await expect(w.settlement.settle(settlementOf(again, [terms(node)]))).to.be.revertedWithCustomError(w.settlement, "SettlementAlreadySettled");
    const second = await build(w, node, line(node, await w.now(), 1, { cumulativeBefore: 200n, sequence: 2n }), { ...PLAIN, prevHeader: tipOf(first.hash) });
    await w.settlement.settleRun(runSettlement(second, terms(node)));
    expect(await w.settlement.status(second.header)).to.equal(BigInt(BatchStatus.Final));
    expect(await w.settlement.line(node.nodeId, bytes32("payment"))).to.deep.equal([300n, 3n]);
  });

  it("a header that was signed for another place in the chain: refused", async () => {
    const later = await build(w, node, line(node, await w.now(), 1), { ...PLAIN, nonce: 2n, prevHeader: tipOf(bytes32("x")) });
    await expect(w.settlement.settleRun(runSettlement(later, terms(node)))).to.be.revertedWithCustomError(w.settlement, "SettlementBadHeaderSignature");
  });

  for (const [name, make] of [["P-256", p256Signer], ["RSA-PSS", rsaSigner]] as const) {
    it(`${name} keys sign runs, too`, async () => {
      node = await w.addNode(Role.Inference, { signer: make("run") });
      const built = await build(w, node, line(node, await w.now(), 2), PLAIN);
      await w.settlement.settleRun(runSettlement(built, terms(node)));
      expect(await w.settlement.status(built.header)).to.equal(BigInt(BatchStatus.Final));
    });
  }

  const bad: [string, string, (run: Run, built: Built) => Run][] = [
    ["no stretches", "SettlementBadHeader", (run) => ({ ...run, stretches: [] })],
    ["an empty stretch", "SettlementOrder", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, paymentId: ZERO, count: 0 }, ...run.stretches] })],
    ["the same payment twice", "SettlementOrder", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, count: 1 }, { ...run.stretches[0]!, count: 1 }] })],
    ["items of another length", "SettlementCountMismatch", (run) => ({ ...run, items: `${run.items}00` })],
    ["no items", "SettlementCountMismatch", (run) => ({ ...run, items: "0x" })],
    ["more receipts than items", "SettlementCountMismatch", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, count: 4_000_000_000 }] })],
    ["an unknown outcome", "SettlementBadReceipt", (run) => bend(run, 104, "09")],
    ["a charged error", "SettlementBadReceipt", (run) => bend(run, 104, "03")],
    ["another answer", "SettlementBadHeaderSignature", (run) => bend(run, 32, "ff")],
    ["another place of the money", "SettlementBadHeaderSignature", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, escrow: NOBODY }] })],
    ["a receipt's signature by nobody", "SettlementBadHeaderSignature", (run) => bend(run, 140, "ff")],
    ["a line that ends beyond 128 bits", "SettlementBadReceipt", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, cumulativeBefore: (1n << 128n) - 1n }] })],
    ["sequences that end beyond 64 bits", "SettlementBadReceipt", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, sequence: (1n << 64n) - 1n }] })],
    ["other terms", "SettlementBadHeaderSignature", (run) => ({ ...run, terms: { ...run.terms, feeBpsCap: 1 } })],
    ["private terms", "SettlementBadTerms", (run) => ({ ...run, terms: { ...run.terms, settlementMode: 1 } })],
    ["vanilla terms", "SettlementBadTerms", (run) => ({ ...run, terms: { ...run.terms, verification: 4 } })],
    ["terms that ask for a proof", "SettlementBadTerms", (run) => ({ ...run, terms: { ...run.terms, verification: 2 } })],
    ["another key", "NodeRegistryUnknownKey", (run) => ({ ...run, keyId: bytes32("x") })],
    ["another node", "NodeRegistryKeyNotOfNode", (run) => ({ ...run, terms: { ...run.terms, nodeId: bytes32("x") } })],
  ];
  /** Replaces bytes of the first item. */
  function bend(run: Run, at: number, bytes: string): Run {
    const from = 2 + 2 * (65 + at);
    return { ...run, items: `${run.items.slice(0, from)}${bytes}${run.items.slice(from + bytes.length)}` as Run["items"] };
  }
  for (const [title, error, change] of bad) {
    it(`${title}: refused by name`, async () => {
      const built = await build(w, node, line(node, await w.now(), 2), PLAIN);
      const contract = error.startsWith("NodeRegistry") ? w.registry : w.settlement;
      await expect(w.settlement.settleRun(change(runSettlement(built, terms(node)), built))).to.be.revertedWithCustomError(contract, error);
    });
  }

  it("a receipt that its key did not sign, in a header that it did: refused", async () => {
    const built = await build(w, { ...node, signer: { ...node.signer, sign: secpSigner("stranger").sign } }, line(node, await w.now(), 1), PLAIN);
    const run = runSettlement({ ...built, signature: node.signer.sign(built.hash) }, terms(node));
    await expect(w.settlement.settleRun(run)).to.be.revertedWithCustomError(w.settlement, "SettlementBadReceiptSignature");
  });

  it("too old, from the future, and under another image policy: refused", async () => {
    const at = async (time: bigint, t: Terms = terms(node)) => {
      const built = await build(w, node, [receipt(node, time, { termsHash: termsHash(t) })], PLAIN);
      return w.settlement.settleRun(runSettlement(built, t));
    };
    await expect(at((await w.now()) - w.parameters.settlement.maxAge - 10n)).to.be.revertedWithCustomError(w.settlement, "SettlementTooOld");
    await expect(at((await w.now()) + 100n)).to.be.revertedWithCustomError(w.settlement, "SettlementFromTheFuture");
    await expect(at(await w.now(), terms(node, { policyId: bytes32("other") }))).to.be.revertedWithCustomError(w.settlement, "SettlementBadTerms").withArgs(0n, "policyId");
  });

  it("the SDK reads back what it wrote, and says when a run cannot say it", async () => {
    const now = await w.now();
    const built = await build(w, node, [...line(node, now, 3), ...line(node, now, 2, { paymentId: bytes32("p") })], PLAIN);
    const signed = built.receipts.map((r, i) => ({ receipt: r, signature: built.signatures[i]! }));
    const back = readRun(runSettlement(built, terms(node)), built.header, domainOf(w));
    expect(back.items).to.deep.equal(signed);
    expect(back.signature).to.equal(built.signature);
    expect(headerHash(back.header, domainOf(w))).to.equal(built.hash);
    expect(back.stretches).to.deep.equal(built.stretches);
    for (const receipts of [
      [...line(node, now, 1), ...line(node, now, 1, { cumulativeBefore: 500n, sequence: 1n })], [...line(node, now, 1), ...line(node, now, 1, { cumulativeBefore: 100n, sequence: 5n })],
      [...line(node, now, 1), receipt(node, now, { paymentId: bytes32("q"), modelId: bytes32("other") })],
    ]) {
      const other = await build(w, node, receipts, PLAIN);
      expect(runOf(other, other.receipts.map((r, i) => ({ receipt: r, signature: other.signatures[i]! })), terms(node))).to.equal(null);
    }
  });

  it("full nodes read every settling call: header and receipts of a run, of `settle`, and of many", async () => {
    const first = await build(w, node, line(node, await w.now(), 2), PLAIN);
    const second = await build(w, node, line(node, await w.now(), 1, { cumulativeBefore: 200n, sequence: 2n }), { ...PLAIN, nonce: 2n, prevHeader: tipOf(first.hash) });
    const { interface: abi } = w.settlement;
    const whole = [first, second].map((built) => settlementOf(built, [terms(node)]));
    const bytes = whole.map((settlement) => AbiCoder.defaultAbiCoder().encode([abi.getFunction("settle").inputs[0]!], [settlement]));
    const read = (data: string, built: Built, prevHeader: Hex) => settlementsIn(data as Hex, { nonce: built.header.nonce, prevHeader }, domainOf(w)).map(({ header, items }) => [headerHash(header, domainOf(w)), items.length]);
    expect(read(abi.encodeFunctionData("settleRun", [runSettlement(first, terms(node))]), first, ZERO)).to.deep.equal([[first.hash, 2]]);
    // The hash of the header before is what a full node has; the run's header holds 24 bytes of it.
    expect(read(abi.encodeFunctionData("settleProvedRun", [runSettlement(second, terms(node)), "0x", []]), second, first.hash)).to.deep.equal([[second.hash, 1]]);
    expect(read(abi.encodeFunctionData("settle", [whole[0]!]), first, ZERO)).to.deep.equal([[first.hash, 2]]);
    expect(read(abi.encodeFunctionData("settleMany", [bytes]), first, ZERO)).to.deep.equal([[first.hash, 2], [second.hash, 1]]);
    expect(read("0x12345678", first, ZERO)).to.deep.equal([]);
  });

  it("the part of the contract works only inside of it, in a storage of the same layout", async () => {
    const built = await build(w, node, line(node, await w.now(), 1));
    const part = await w.ethers.getContractAt("IndividualSettlement", await w.settlement.PART());
    await expect(part.settle(settlementOf(built, [terms(node)]))).to.be.revertedWithCustomError(part, "SettlementIsPart").withArgs(w.addresses.InferenceSettlement);
    const layout = (name: string) => storageOf(name).map(({ label, slot, offset, type }) => `${slot}.${offset} ${label} ${type.replace(/\)\d+/g, ")")}`);
    expect(layout("InferenceSettlement").slice(0, layout("IndividualSettlement").length)).to.deep.equal(layout("IndividualSettlement"));
    expect(layout("IndividualSettlement").length).to.be.greaterThan(4);
  });

  describe("with proofs", () => {
    let circuit: Awaited<ReturnType<typeof tiny>>;
    let modelId: `0x${string}`;
    before(async () => {
      circuit = await tiny();
      const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
      await keys.getFunction("register")(circuit.files.keyBytes);
      const model = {
        name: "run", version: "1.0.0", programHash: bytes32("program"), kind: 2, blobId: bytes32("blob"), contentHash: bytes32("content"), manifestHash: bytes32("manifest"), circuitHash: ZERO, weightsHash: ZERO,
        methods: 0b01100, vkHash: circuit.files.manifest.vkHash as string, royaltyTo: NOBODY, royaltyBps: 0, licence: "MIT",
      };
      modelId = (await w.models.modelIdOf(w.admin.address, model)) as `0x${string}`;
      await w.models.publishModel(model);
    });
    after(closeSnarkjs);

    /** A run of `count` receipts, each with its proof, in the verifier's order. */
    async function proved(count: number, verification = 2) {
      const t = terms(node, { verification });
      const built = await build(w, node, line(node, await w.now(), count, { modelId, termsHash: termsHash(t) }), PLAIN);
      const made = await Promise.all(built.receipts.map(async (r, index) => {
        const { proof, inputs } = await proveTiny(circuit.files.zkey, await w.settlement.proofContext(r, t.payout), BigInt(index + 2), 5n);
        return { index, proof: encodeProof(proof), inputs };
      }));
      const order = made.sort((a, b) => (statementHash(a.inputs) < statementHash(b.inputs) ? -1 : 1));
      const places = built.receipts.map((_, index) => order.findIndex((entry) => entry.index === index));
      return { built, t, order, places, run: runSettlement(built, t, places) };
    }
    const join = (order: { proof: string; inputs: bigint[] }[]) => [`0x${order.map(({ proof }) => proof.slice(2)).join("")}`, order.flatMap(({ inputs }) => inputs)] as const;

    for (const [count, verification] of [[1, 2], [5, 2], [3, 3]] as const) {
      it(`${count} proofs of one key in one check, ${verification === 2 ? "ZKML" : "TEE and ZKML"}: final at once, one event`, async () => {
        const { built, order, run } = await proved(count, verification);
        const [proofs, statements] = join(order);
        const packed = keccak256(encodePacked(["uint256[]"], [statements]));
        await expect(w.settlement.settleProvedRun(run, proofs, statements)).to.emit(w.settlement, "ProofsVerified").withArgs(built.hash, modelId, BigInt(count), packed);
        expect(await w.settlement.status(built.header)).to.equal(BigInt(BatchStatus.Final));
        await expect(w.settlement.settleProvedRun(run, proofs, statements)).to.be.revertedWithCustomError(w.settlement, "SettlementAlreadySettled");
      });
    }

    it("S5 each receipt needs its own statement: another's, a repeated one, one beyond the list and a wrong proof are refused", async () => {
      const { built, t, order, places, run } = await proved(3);
      const [proofs, statements] = join(order);
      const send = (r: Run, p: string = proofs, s: bigint[] = statements) => w.settlement.settleProvedRun(r, p, s);
      await expect(send(runSettlement(built, t, [places[1]!, places[0]!, places[2]!]))).to.be.revertedWithCustomError(w.settlement, "SettlementProofContext");
      await expect(send(runSettlement(built, t, [places[0]!, places[0]!, places[0]!]))).to.be.revertedWithCustomError(w.settlement, "SettlementProofContext");
      await expect(send(runSettlement(built, t, [3, 0, 1]))).to.be.revertedWithCustomError(w.settlement, "SettlementProofMissing").withArgs(0n);
      await expect(send(run, proofs, [])).to.be.revertedWithCustomError(w.settlement, "SettlementProofMissing");
      await expect(send(run, proofs, statements.slice(1))).to.be.revertedWithCustomError(w.settlement, "SettlementProofMissing");
      const swapped = join([order[1]!, order[0]!, order[2]!])[0];
      await expect(send(run, swapped)).to.be.revertedWithCustomError(w.settlement, "SettlementProofInvalid");
      const verifier = await w.ethers.getContractAt("Groth16Verifier", (await w.router.route(modelId)).verifier);
      await expect(send(run, proofs.slice(0, -2))).to.be.revertedWithCustomError(verifier, "Groth16ProofLength");
      await expect(w.settlement.settleRun(run)).to.be.revertedWithCustomError(w.settlement, "SettlementBadTerms");
    });

    it("a frozen version's proofs settle nothing, in a run either", async () => {
      const { order, run } = await proved(2);
      const snapshot = await w.networkHelpers.takeSnapshot();
      await w.router.freeze(modelId);
      await expect(w.settlement.settleProvedRun(run, ...join(order))).to.be.revertedWithCustomError(w.router, "VerifierRouterFrozen");
      await snapshot.restore();
    });
  });
});

interface Slot {
  label: string;
  slot: string;
  offset: number;
  type: string;
}

/** Storage of a contract, as the compiler laid it out. */
function storageOf(name: string): Slot[] {
  const { buildInfoId, inputSourceName } = JSON.parse(readFileSync(`artifacts/contracts/settlement/${name}.sol/${name}.json`, "utf8")) as { buildInfoId: string; inputSourceName: string };
  const { output } = JSON.parse(readFileSync(`artifacts/build-info/${buildInfoId}.output.json`, "utf8")) as { output: { contracts: Record<string, Record<string, { storageLayout: { storage: Slot[] } }>> } };
  return output.contracts[inputSourceName]![name]!.storageLayout.storage;
}
