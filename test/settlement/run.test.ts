import { expect } from "chai";
import { AbiCoder } from "ethers";
import { type Hex, type Log, encodePacked, keccak256 } from "viem";
import { readFileSync } from "node:fs";
import { encodeProof, statementHash } from "../../circuits/setup/encode.ts";
import { settlementsIn } from "../../sdk/network/settlements.ts";
import { BatchStatus, Role, type InferenceReceipt, type Run, RunEncodingError, type Terms, decodeRun, encodeRun, headerHash, prevHeaderOf, readRun, runOf, slotNumberOf, termsHash } from "../../sdk/protocol/index.ts";
import { closeSnarkjs, proveTiny, tiny } from "../circuits/setup/tools.ts";
import { runs } from "../utils/deep.ts";
import { Random } from "../utils/random.ts";
import { p256Signer, rsaSigner } from "../utils/signers.ts";
import { type World, ZERO, bytes32, secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, PLAIN, build, domainOf, line, makeRun, receipt, runSettlement, settlementOf, terms } from "./builder.ts";

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
    const [{ status, fullBond, openDemands }, [slot]] = await Promise.all([w.settlement.batch(built.header), w.settlement.numberedSlot(node.nodeId, slotNumberOf(built.header))]);
    expect(status).to.equal(BigInt(BatchStatus.Final));
    const lines = await Promise.all(built.stretches.map(({ paymentId }) => w.settlement.line(node.nodeId, paymentId)));
    return JSON.stringify({ logs: logs.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)), status, slot, fullBond, openDemands, lines, tip: await w.settlement.tip(node.nodeId) }, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  }

  /** Both calls from the same state: header, state and events must be the same. */
  async function expectSame(receipts: InferenceReceipt[], slot = 0) {
    const built = await build(w, node, receipts, { ...PLAIN, slot });
    const snapshot = await w.networkHelpers.takeSnapshot();
    const general = await trace(built, () => w.settlement.settle(settlementOf(built, [terms(node)])));
    await snapshot.restore();
    expect(await trace(built, () => w.settlement.settleRun(runSettlement(built, terms(node))))).to.equal(general);
    await snapshot.restore();
  }

  it("S8 a run leaves what `settle` leaves: same header, state and events, over one and several payments", async () => {
    for (const counts of [[1], [5], [2, 1, 3]]) {
      const now = await w.now();
      await expectSame(counts.flatMap((count, i) => line(node, now - BigInt(i), count, { paymentId: bytes32(`p${i}`), cumulativeBefore: 7n * BigInt(i), sequence: BigInt(i) })));
    }
  });

  for (const [name, make] of [["secp256k1", secpSigner], ["P-256", p256Signer], ["RSA-PSS", rsaSigner]] as const) {
    it(`S8 random runs of 1 to 20 receipts over 1 to 6 payments, ${name}`, async () => {
      const random = new Random(name.length);
      const wide = (bits: number) => BigInt(random.next()) * (1n << BigInt(bits - 32)) + BigInt(random.next());
      node = await w.addNode(Role.Inference, { signer: make(`random ${name}`) });
      for (let i = 0; i < runs(5, 100); i++) {
        const now = await w.now();
        const payments = Array.from({ length: 1 + random.below(6) }, () => ({ paymentId: keccak256(random.bytes(32)), end: wide(120), sequence: wide(60) }));
        const count = Math.max(payments.length, 1 + random.below(20));
        const receipts = Array.from({ length: count }, (_, j) => {
          const payment = payments[j < payments.length ? j : random.below(payments.length)]!;
          const outcome = 1 + random.below(3);
          const own = {
            outcome, charge: outcome === 3 ? 0n : random.below(4) === 0 ? wide(110) : BigInt(random.below(1_000)), inputUnits: wide(63), outputUnits: wide(63),
            requestHash: keccak256(random.bytes(32)), responseHash: keccak256(random.bytes(32)), paymentId: payment.paymentId, cumulativeBefore: payment.end, sequence: payment.sequence++,
          };
          payment.end += own.charge;
          return receipt(node, now - BigInt(random.below(25)), own);
        });
        await expectSame(receipts, random.below(2) * random.next());
      }
    });
  }

  it("S2 a run continues the node's chain and its lines; nothing settles twice, in whichever call", async () => {
    const first = await build(w, node, line(node, await w.now(), 2), PLAIN);
    const run = runSettlement(first, terms(node));
    await w.settlement.settleRun(run);
    await expect(w.settlement.settleRun(run)).to.be.revertedWithCustomError(w.settlement, "SettlementAlreadySettled").withArgs(0n, bytes32("payment"), 200n, 2n);
    const again = await build(w, node, first.receipts);
    await expect(w.settlement.settle(settlementOf(again, [terms(node)]))).to.be.revertedWithCustomError(w.settlement, "SettlementAlreadySettled");
    const second = await build(w, node, line(node, await w.now(), 1, { cumulativeBefore: 200n, sequence: 2n }), { ...PLAIN, prevHeader: prevHeaderOf(first.hash, 0n) });
    await w.settlement.settleRun(runSettlement(second, terms(node)));
    expect(await w.settlement.status(second.header)).to.equal(BigInt(BatchStatus.Final));
    expect(await w.settlement.line(node.nodeId, bytes32("payment"))).to.deep.equal([300n, 3n]);
  });

  it("a header that was signed for another place in the chain: refused", async () => {
    const later = await build(w, node, line(node, await w.now(), 1), { ...PLAIN, nonce: 2n, prevHeader: prevHeaderOf(bytes32("x"), 0n) });
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

  const two = (change: Partial<Run["stretches"][0]>, other: Partial<Run["stretches"][0]> = {}) => (run: Run): Run => ({
    ...run, stretches: [{ ...run.stretches[0]!, ...change }, { ...run.stretches[0]!, ...other }],
  });
  const bad: [string, string, (run: Run) => Run][] = [
    ["an empty stretch", "SettlementOrder", two({ paymentId: ZERO, count: 0 })],
    ["the same payment twice", "SettlementOrder", two({ count: 1 }, { count: 1 })],
    ["payments in descending order", "SettlementOrder", two({ count: 1 }, { count: 1, paymentId: ZERO })],
    ["an unknown outcome", "SettlementBadReceipt", (run) => bend(run, { outcome: 9 })],
    ["no outcome", "SettlementBadReceipt", (run) => bend(run, { outcome: 0 })],
    ["a charged error", "SettlementBadReceipt", (run) => bend(run, { outcome: 3 })],
    ["another answer", "SettlementBadHeaderSignature", (run) => bend(run, { responseHash: bytes32("x") })],
    ["other units", "SettlementBadHeaderSignature", (run) => bend(run, { outputUnits: 21n })],
    ["another place of the money", "SettlementBadHeaderSignature", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, escrow: NOBODY }] })],
    ["another chain of the money", "SettlementBadHeaderSignature", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, paymentChainId: 1n }] })],
    ["a receipt's signature by nobody", "SettlementBadHeaderSignature", (run) => bend(run, { signature: `0x${"ff".repeat(65)}` })],
    ["a line that ends beyond 128 bits", "SettlementBadReceipt", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, cumulativeBefore: (1n << 128n) - 1n }] })],
    ["charges that pass 128 bits together", "SettlementBadReceipt", (run) => bend(run, { charge: (1n << 128n) - 1n })],
    ["sequences that end beyond 64 bits", "SettlementBadReceipt", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, sequence: (1n << 64n) - 1n }] })],
    ["payments that pass 128 bits together", "SettlementBadHeader", (run) => ({ ...two({ paymentId: ZERO, count: 1 }, { count: 1 })(run), items: run.items.map((item) => ({ ...item, charge: (1n << 128n) - 1n })) })],
    ["other terms", "SettlementBadHeaderSignature", (run) => ({ ...run, terms: { ...run.terms, feeBpsCap: 1 } })],
    ["private terms", "SettlementBadTerms", (run) => ({ ...run, terms: { ...run.terms, settlementMode: 1 } })],
    ["vanilla terms", "SettlementBadTerms", (run) => ({ ...run, terms: { ...run.terms, verification: 4 } })],
    ["terms that ask for a proof", "SettlementBadTerms", (run) => ({ ...run, terms: { ...run.terms, verification: 2 } })],
    ["another slot", "SettlementBadHeaderSignature", (run) => ({ ...run, slot: 7 })],
    ["another key", "NodeRegistryKeyNotOfNode", (run) => ({ ...run, keyId: bytes32("x") })],
    ["another node", "NodeRegistryKeyNotOfNode", (run) => ({ ...run, terms: { ...run.terms, nodeId: bytes32("x") } })],
  ];
  /** Changes the first receipt. */
  function bend(run: Run, change: Partial<Run["items"][0]>): Run {
    return { ...run, items: [{ ...run.items[0]!, ...change }, ...run.items.slice(1)] };
  }
  for (const [title, error, change] of bad) {
    it(`${title}: refused by name`, async () => {
      const built = await build(w, node, line(node, await w.now(), 2), PLAIN);
      const contract = error.startsWith("NodeRegistry") ? w.registry : w.settlement;
      await expect(w.settlement.settleRun(encodeRun(change(makeRun(built, terms(node)))))).to.be.revertedWithCustomError(contract, error);
    });
  }

  /** Writes bytes into an encoded run. */
  const patch = (run: string, at: number, bytes: string) => `${run.slice(0, 2 + 2 * at)}${bytes}${run.slice(2 + 2 * at + bytes.length)}`;
  const cut = (run: string, from: number, to: number) => `${run.slice(0, 2 + 2 * from)}${run.slice(2 + 2 * to)}`;
  const malformed: [string, string, (run: string) => string][] = [
    ["no bytes at all", "SettlementRunLayout", () => "0x"],
    ["a layout of the future", "SettlementRunLayout", (run) => patch(run, 0, "02")],
    ["the head alone", "SettlementRunLength", (run) => cut(run, 239, run.length)],
    ["a byte more", "SettlementRunLength", (run) => `${run}00`],
    ["a byte less", "SettlementRunLength", (run) => run.slice(0, -2)],
    ["more receipts than bytes", "SettlementRunLength", (run) => patch(run, 3, "ffffffff")],
    ["more stretches than bytes", "SettlementRunLength", (run) => patch(run, 1, "ffff")],
    ["longer signatures than bytes", "SettlementRunLength", (run) => patch(run, 7, "ffff")],
    ["no stretches", "SettlementBadHeader", (run) => cut(patch(run, 1, "0000"), 304, 392)],
    ["no receipts", "SettlementBadHeader", (run) => cut(patch(run, 3, "00000000"), 392, run.length)],
    ["stretches of fewer receipts than there are", "SettlementCountMismatch", (run) => patch(run, 364, "00000001")],
    ["stretches of more receipts than there are", "SettlementCountMismatch", (run) => patch(run, 364, "00000003")],
    ["stretches of so many receipts that a sum might overflow", "SettlementCountMismatch", (run) => patch(run, 364, "ffffffff")],
    ["no signatures", "SettlementBadHeaderSignature", (run) => cut(cut(cut(patch(run, 7, "0000"), 671, 736), 499, 564), 239, 304)],
  ];
  for (const [title, error, change] of malformed) {
    it(`X7 ${title}: refused by name`, async () => {
      const built = await build(w, node, line(node, await w.now(), 2), PLAIN);
      const run = change(runSettlement(built, terms(node)));
      await expect(w.settlement.settleRun(run)).to.be.revertedWithCustomError(w.settlement, error);
      expect(() => decodeRun(run as Hex)).to.throw(RunEncodingError);
    });
  }

  it("X7 runs of random bytes, and runs bent at random: a declared error or, if nothing changed, none", async () => {
    const random = new Random(7);
    const built = await build(w, node, [...line(node, await w.now(), 2), ...line(node, await w.now(), 1, { paymentId: bytes32("other") })], PLAIN);
    const good = runSettlement(built, terms(node));
    const bytes = Buffer.from(good.slice(2), "hex");
    const bends: ((copy: Buffer) => Uint8Array)[] = [
      (copy) => copy.subarray(0, random.below(copy.length)),
      (copy) => Buffer.concat([copy, random.bytes(1 + random.below(300))]),
      (copy) => copy.fill(random.bytes(1), random.below(9), 9),
      (copy) => copy.fill(random.bytes(1 + random.below(40)), random.below(copy.length)),
      (copy) => copy.fill(0, 304 + random.below(176), 480),
      (copy) => Buffer.concat([copy.subarray(0, 9), random.bytes(copy.length - 9)]),
      () => random.bytes(random.below(1_000)),
    ];
    for (let i = 0; i < runs(70, 2_000); i++) {
      const bent = `0x${Buffer.from(bends[i % bends.length]!(Buffer.from(bytes))).toString("hex")}`;
      const call = w.provider.request({ method: "eth_call", params: [{ to: w.addresses.InferenceSettlement, data: w.settlement.interface.encodeFunctionData("settleRun", [bent]) }] });
      const data = await call.then(() => null, (error: { data?: unknown }) => String(error.data));
      const error = data === null ? null : (w.settlement.interface.parseError(data) ?? w.registry.interface.parseError(data));
      expect(bent === good ? data === null : error !== null && !["Error", "Panic"].includes(error!.name), `${bent} gave ${data}`).to.equal(true);
    }
  });

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
    const bytes = runSettlement(built, terms(node));
    expect(encodeRun(decodeRun(bytes))).to.equal(bytes);
    const back = readRun(makeRun(built, terms(node)), built.header, domainOf(w));
    expect(readRun(decodeRun(bytes), built.header, domainOf(w)).header).to.deep.equal(back.header);
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
    const second = await build(w, node, line(node, await w.now(), 1, { cumulativeBefore: 200n, sequence: 2n }), { ...PLAIN, nonce: 2n, prevHeader: prevHeaderOf(first.hash, 0n) });
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
      const send = (r: Hex, p: string = proofs, s: bigint[] = statements) => w.settlement.settleProvedRun(r, p, s);
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
