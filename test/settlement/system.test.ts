import { expect } from "chai";
import { globSync, readFileSync } from "node:fs";
import { encodeProof } from "../../circuits/setup/encode.ts";
import {
  BatchStatus, FaultKind, type InferenceReceipt, Role, encodeEvidence, nameOf, positionalTree, prevHeaderOf,
} from "../../sdk/protocol/index.ts";
import { closeSnarkjs, proveTiny, tiny } from "../circuits/setup/tools.ts";
import { IMAGE, WORKLOAD, type World, ZERO, bytes32, secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, PLAIN, assemble, build, line, runSettlement, settlementOf, terms } from "./builder.ts";
import { elapse } from "./quorum.ts";

const NOBODY = "0x0000000000000000000000000000000000000000";

describe("settlement, system invariants", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  before(async () => {
    w = await settlementWorld();
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
  });
  after(closeSnarkjs);

  describe("S8 a batch equals its singles", () => {
    it("what settles one by one is what a batch makes final: the same receipts, units and intervals", async () => {
      const now = await w.now();
      const receipts = [...line(node, now, 4), ...line(node, now, 2, { paymentId: bytes32("p2"), charge: 7n })];
      const whole = await build(w, node, receipts);
      const snapshot = await w.networkHelpers.takeSnapshot();
      await w.settlement.postBatch(whole.header, whole.signature, true);
      await elapse(w);
      await w.settlement.finalize(whole.header);
      const batched = await intervals([whole]);
      await snapshot.restore();

      const singles: Built[] = [];
      for (const receipt of whole.receipts) {
        const single = await build(w, node, [receipt], { ...PLAIN, ...(singles.length ? { prevHeader: prevHeaderOf(singles.at(-1)!.hash, 0n) } : {}) });
        // Either call: they are one path.
        await (singles.length % 2 ? w.settlement.settleRun(runSettlement(single, terms(node))) : w.settlement.settle(settlementOf(single, [terms(node)])));
        singles.push(single);
      }
      expect(await intervals(singles)).to.deep.equal(batched);
    });

    /** Every final receipt with its interval, and their sum: what certificates release. */
    async function intervals(headers: Built[]): Promise<string[]> {
      const found: string[] = [];
      for (const { header, receipts, signatures, leaves } of headers) {
        for (const [i, receipt] of receipts.entries()) {
          const state = await w.settlement.verifyInclusion(header, receipt, signatures[i]!, i, positionalTree(leaves).path(i));
          found.push(`${nameOf(BatchStatus, Number(state))} ${receipt.paymentId} [${receipt.cumulativeBefore}, ${receipt.cumulativeBefore + receipt.charge})`);
        }
      }
      return [...found.sort(), `sum ${headers.reduce((sum, { header }) => sum + header.totalCharge, 0n)}`];
    }

    const lies: [string, string, (r: InferenceReceipt) => InferenceReceipt, keyof typeof FaultKind][] = [
      ["another node's receipt", "SettlementBadReceipt", (r) => ({ ...r, nodeId: bytes32("x") }), "WrongNode"],
      ["another key's", "SettlementBadReceipt", (r) => ({ ...r, keyId: bytes32("x") }), "WrongNode"],
      ["an unknown outcome", "SettlementBadReceipt", (r) => ({ ...r, outcome: 7 }), "BadOutcome"],
      ["an error that charges", "SettlementBadReceipt", (r) => ({ ...r, outcome: 3 }), "BadOutcome"],
      ["issued outside of the header's times", "SettlementBadReceipt", (r) => ({ ...r, issuedAt: r.issuedAt - 20n }), "OutOfTime"],
    ];
    for (const [title, error, lie, kind] of lies) {
      it(`${title}: refused alone, ${kind} in a batch`, async () => {
        const times = { minIssuedAt: await w.now(), maxIssuedAt: await w.now() };
        const honest = line(node, await w.now(), 2, { issuedAt: times.minIssuedAt });
        const single = await build(w, node, [lie(honest[0]!)], times);
        await expect(w.settlement.settle(settlementOf(single, [terms(node)]))).to.be.revertedWithCustomError(w.settlement, error);
        const whole = await build(w, node, [lie(honest[0]!), honest[1]!], times);
        await w.settlement.postBatch(whole.header, whole.signature, true);
        expect(await w.court.check(whole.header, FaultKind[kind], evidenceFor(whole, 0))).to.equal(true);
        expect(await w.court.check(whole.header, FaultKind[kind], evidenceFor(whole, 1))).to.equal(false);
      });
    }

    const evidenceFor = (built: Built, index: number) =>
      encodeEvidence({ leaf: { receipt: built.receipts[index]!, signature: built.signatures[index]!, index: BigInt(index), path: positionalTree(built.leaves).path(index) } });

    it("a signature that is not the key's: refused alone, BadSignature in a batch", async () => {
      const stranger = secpSigner("stranger");
      const receipts = line(node, await w.now(), 2);
      const forged = assemble(w, { ...node, signer: { ...stranger } }, receipts, {});
      const [nonce] = await w.settlement.tip(node.nodeId);
      const { header, hash } = assemble(w, node, receipts, { ...forged.header, nonce: nonce + 1n });
      const built: Built = { ...forged, header, hash, signature: node.signer.sign(hash) };
      await expect(w.settlement.settle(settlementOf(built, [terms(node)]))).to.be.revertedWithCustomError(w.settlement, "SettlementBadReceiptSignature");
      await w.settlement.postBatch(header, built.signature, true);
      expect(await w.court.check(header, FaultKind.BadSignature, evidenceFor(built, 1))).to.equal(true);
    });
  });

  describe("proofs and routes", () => {
    let circuit: Awaited<ReturnType<typeof tiny>>;
    const version = (name: string, release: string) => ({
      name, version: release, programHash: bytes32("program"), kind: 2, blobId: bytes32("blob"), contentHash: bytes32("content"), manifestHash: bytes32("manifest"), circuitHash: ZERO, weightsHash: ZERO,
      methods: 0b01100, vkHash: circuit.files.manifest.vkHash as string, royaltyTo: NOBODY, royaltyBps: 0, licence: "MIT",
    });
    const publish = async (name: string, release: string) => {
      await w.models.publishModel(version(name, release));
      return w.models.modelIdOf(w.admin.address, version(name, release));
    };
    before(async () => {
      circuit = await tiny();
      const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
      await keys.getFunction("register")(circuit.files.keyBytes);
    });
    const calls = (name: "models" | "router") =>
      w[name].interface.fragments.flatMap((f) => (f.type === "function" && !["view", "pure"].includes((f as unknown as { stateMutability: string }).stateMutability) ? [(f as unknown as { name: string }).name] : [])).sort();

    it("S12 a verifier cannot be replaced for an existing version: no call takes one, and none of those that exist moves it", async () => {
      expect(calls("models")).to.deep.equal(["deprecate", "publishModel"]);
      expect(calls("router")).to.deep.equal(["freeze", "freezeContradicted", "setAuthority", "unfreeze"]);
      const modelId = await publish("fixed", "1");
      const { verifier } = await w.router.route(modelId);
      expect(verifier).to.not.equal(NOBODY);
      await w.models.deprecate(modelId, await publish("fixed", "2"));
      await w.router.freeze(modelId);
      await w.router.unfreeze(modelId);
      await expect(w.models.publishModel(version("fixed", "1"))).to.be.revertedWithCustomError(w.models, "ModelRegistryExists");
      expect((await w.router.route(modelId)).verifier).to.equal(verifier);
    });

    it("X4 old routes keep working after new ones: a deprecated version's proofs still hold", async () => {
      const old = await publish("route", "1");
      const { proof, inputs } = await proveTiny(circuit.files.zkey, 5n, 7n, 5n);
      const holds = () => w.router.verify(old, encodeProof(proof), inputs);
      expect(await holds()).to.equal(true);
      await w.models.deprecate(old, await publish("route", "2"));
      expect(await holds()).to.equal(true);
      expect(await w.router.verifyBatch(old, encodeProof(proof), inputs)).to.equal(true);
    });
  });

  describe("admin and guardian", () => {
    /** Everything that settlement and registry know of a node and a header. */
    const everything = async (built: Built) =>
      JSON.stringify(
        [
          await w.settlement.batch(built.header), await w.settlement.tip(node.nodeId), await w.settlement.line(node.nodeId, bytes32("payment")), await w.settlement.params(),
          await w.registry.bond(node.nodeId), await w.registry.node(node.nodeId), await w.registry.bondTotal(Role.Inference), await w.token.balanceOf(w.addresses.NodeRegistry),
        ],
        (_, value: unknown) => (typeof value === "bigint" ? String(value) : value),
      );

    it("X2 contracts that hold bonds or decide about them have no admin; what the others' admins may call is listed here", async () => {
      const names = (contract: { interface: World["registry"]["interface"] }) =>
        contract.interface.fragments.flatMap((f) => (f.type === "function" ? [(f as unknown as { name: string }).name] : []));
      const free = [w.registry, w.committee, w.court, w.demands, ...(await Promise.all((["FullNodeRewards", "Traps"] as const).map((name) => w.ethers.getContractAt(name, w.addresses[name]))))];
      for (const contract of free) expect(names(contract as never)).to.not.include.members(["authority", "setAuthority"]);

      const restricted = new Map<string, string[]>();
      for (const file of globSync("contracts/{registry,settlement,attestation,data,lens}/**/*.sol")) {
        const calls = [...readFileSync(file, "utf8").matchAll(/function (\w+)\([^{]*?\b(?:restricted|onlyOwner)\b[^{]*\{/g)].map(([, name]) => name!);
        if (calls.length > 0) restricted.set(file.replace(/^.*\/(\w+)\.sol$/, "$1"), calls.sort());
      }
      expect(Object.fromEntries([...restricted].sort())).to.deep.equal({
        AttestationGate: ["setAttestationVerifier"],
        Groth16FoldCore: ["attestCircuit"],
        Groth16Keys: ["attestCeremony"],
        MeasurementPolicy: ["approveImage", "revokeImage", "transferPolicy"],
        NitroVerifier: ["restore", "revoke"],
        SettlementViews: ["pauseIntake"],
        VerifierRouter: ["freeze", "freezeContradicted", "unfreeze"],
      });
    });

    it("X2 none of these calls moves a bond or a header, nor keeps a header from its end", async () => {
      const built = await build(w, node, line(node, await w.now(), 2));
      await w.settlement.postBatch(built.header, built.signature, true);
      const before = await everything(built);
      const snapshot = await w.networkHelpers.takeSnapshot();
      await w.settlement.pauseIntake();
      await w.gate.setAttestationVerifier(7, w.relayer.address);
      await w.router.connect(await w.acting("FaultCourt")).freezeContradicted(bytes32("model"));
      await w.router.unfreeze(bytes32("model"));
      await w.policy.approveImage(ZERO, WORKLOAD, bytes32("another image"));
      // Without a compromise: what was posted stands.
      await w.policy.revokeImage(ZERO, await w.policy.indexOf(ZERO, WORKLOAD, IMAGE), 0);
      expect(await everything(built)).to.equal(before);
      await elapse(w);
      await w.settlement.finalize(built.header);
      expect((await w.registry.bond(node.nodeId)).locked).to.equal(0n);
      await snapshot.restore();
    });

    it("X3 a stop that ended has changed nothing, and what it kept out comes in", async () => {
      const built = await build(w, node, line(node, await w.now(), 2));
      await w.settlement.postBatch(built.header, built.signature, true);
      const before = await everything(built);
      const snapshot = await w.networkHelpers.takeSnapshot();
      await w.settlement.pauseIntake();
      const late = await build(w, node, line(node, await w.now(), 1, { cumulativeBefore: 200n, sequence: 2n }), { ...PLAIN, prevHeader: prevHeaderOf(built.hash, 0n) });
      await expect(w.settlement.settleRun(runSettlement(late, terms(node)))).to.be.revertedWithCustomError(w.settlement, "SettlementPaused");
      await expect(w.settlement.settle(settlementOf(late, [terms(node)]))).to.be.revertedWithCustomError(w.settlement, "SettlementPaused");
      await w.networkHelpers.time.increase(7 * 86_400 + 1);
      expect(await everything(built)).to.equal(before);
      const next = await build(w, node, line(node, await w.now(), 1, { cumulativeBefore: 200n, sequence: 2n }), { ...PLAIN, prevHeader: prevHeaderOf(built.hash, 0n) });
      await w.settlement.settleRun(runSettlement(next, terms(node)));
      expect(Number(await w.settlement.status(next.header))).to.equal(BatchStatus.Final);
      await snapshot.restore();
    });
  });

  it("X5 gas does not grow with history: the fourth header costs what the thirtieth does", async () => {
    const intrinsic = (data: string) => Buffer.from(data.slice(2), "hex").reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 21_000);
    const costs: number[][] = [];
    let previous: Built | undefined;
    for (let i = 0n; i < 30n; i++) {
      const receipts = line(node, await w.now(), 1, { cumulativeBefore: i * 100n, sequence: i });
      const built = await build(w, node, receipts, { ...PLAIN, ...(previous ? { prevHeader: prevHeaderOf(previous.hash, 0n) } : {}) });
      const tx = await w.settlement.settleRun(runSettlement(built, terms(node)));
      costs.push([Number((await tx.wait())!.gasUsed) - intrinsic(tx.data)]);
      previous = built;
    }
    const later = costs.slice(3).map(([gas]) => gas!);
    expect(Math.max(...later) - Math.min(...later)).to.be.at.most(64);
  });

  it("X6 no dust and no allowance: the contracts of settlement hold no token and may spend none", async () => {
    const built = await build(w, node, line(node, await w.now(), 2));
    await w.settlement.postBatch(built.header, built.signature, true);
    await elapse(w);
    await w.settlement.finalize(built.header);
    const rooms = [w.addresses.InferenceSettlement, w.addresses.FaultCourt, w.addresses.Demands, w.addresses.Committee, w.addresses.VerifierRouter, w.addresses.ProofSettlement, await w.settlement.PART()];
    for (const room of rooms) {
      expect(await w.token.balanceOf(room)).to.equal(0n);
      expect(await w.ethers.provider.getBalance(room)).to.equal(0n);
      for (const owner of [w.addresses.NodeRegistry, room]) expect(await w.token.allowance(owner, room)).to.equal(0n);
    }
  });

  it("X7 every revert of our sources names a declared error", () => {
    const sources = globSync("contracts/**/*.sol").filter((file) => !file.includes("/mocks/"));
    const text = new Map(sources.map((file) => [file, readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "")]));
    const declared = new Set([...text.values()].flatMap((source) => [...source.matchAll(/\berror\s+(\w+)\s*\(/g)].map((match) => match[1]!)));
    expect(declared.size).to.be.greaterThan(200);
    const bad: string[] = [];
    let seen = 0;
    for (const [file, source] of text) {
      for (const match of source.matchAll(/\brequire\s*\(/g)) {
        seen++;
        const error = lastArgument(source, match.index + match[0].length);
        const name = /^(?:\w+\.)?([A-Z]\w*)\s*\(/.exec(error)?.[1];
        if (!name || !declared.has(name)) bad.push(`${file}: require(..., ${error})`);
      }
      for (const match of source.matchAll(/\brevert\b\s*([\w.]*)\s*(\([^)]*\)?)/g)) {
        seen++;
        const name = match[1]!.split(".").at(-1)!;
        // Assembly hands on what a called contract said.
        const handsOn = name === "" && /returndatasize|mload|add\(/.test(match[2]!);
        if (!handsOn && !declared.has(name)) bad.push(`${file}: ${match[0]}`);
      }
    }
    expect(bad).to.deep.equal([]);
    expect(seen).to.be.greaterThan(300);
  });

  /** Text of the last argument of a call whose arguments begin at `from`. */
  function lastArgument(source: string, from: number): string {
    let [depth, start] = [1, from];
    for (let i = from; i < source.length; i++) {
      if ("([{".includes(source[i]!)) depth++;
      if (")]}".includes(source[i]!) && --depth === 0) return source.slice(start, i).trim();
      if (source[i] === "," && depth === 1) start = i + 1;
    }
    throw new Error("an open call");
  }
});
