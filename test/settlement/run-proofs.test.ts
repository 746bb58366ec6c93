import { expect } from "chai";
import { type Hex, encodePacked, keccak256 } from "viem";
import { encodeProof, statementHash } from "../../circuits/setup/encode.ts";
import { BatchStatus, Role, termsHash } from "../../sdk/protocol/index.ts";
import { closeSnarkjs, proveTiny, tiny } from "../circuits/setup/tools.ts";
import { type World, ZERO, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { PLAIN, build, line, runSettlement, terms } from "./builder.ts";

const NOBODY = "0x0000000000000000000000000000000000000000";

describe("InferenceSettlement, runs with proofs", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  before(async () => {
    w = await settlementWorld();
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
  });

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
