import { expect } from "chai";
import { type Hex, concatHex, keccak256, numberToHex } from "viem";

import { encodeProof } from "../../circuits/setup/encode.ts";
import { bisect } from "../../keepers/proving/batch.ts";
import { type ProvedRequest, provedBatch, requestBatch, requestContext, requestIdOf, requestStatement } from "../../sdk/protocol/index.ts";
import { closeSnarkjs, proveTiny } from "../circuits/setup/tools.ts";
import { negated, withWords, words as wordsOf } from "./groth16/tools.ts";
import { type ProofWorld, proofWorld, MAX_NUMBER } from "./proof-world.ts";

describe("ProofSettlement, a batch", () => {
  let w: ProofWorld["w"];
  let zkey: ProofWorld["zkey"];
  let modelId: ProofWorld["modelId"];
  let terms: ProofWorld["terms"];
  let place: ProofWorld["place"];
  let prove: ProofWorld["prove"];
  let settle: ProofWorld["settle"];
  let settleBatch: ProofWorld["settleBatch"];
  let refused: ProofWorld["refused"];
  let groth16: ProofWorld["groth16"];
  let isSettled: ProofWorld["isSettled"];
  before(async () => {
    ({ w, zkey, modelId, terms, place, prove, settle, settleBatch, refused, groth16, isSettled } = await proofWorld());
  });
  after(closeSnarkjs);

  const some = async (numbers: readonly bigint[]) => {
    const made: ProvedRequest[] = [];
    for (const number of numbers) made.push(await prove(number, terms, 3n + (number % 200n), 11n));
    return made;
  };

  it("S8 leaves what its singles leave, and one event commits to all statements", async () => {
    const numbers = [1_000n, 1_001n, 1_005n, 1_023n];
    const made = await some(numbers);
    const { order } = requestBatch(place(), terms, made);
    const statements = keccak256(concatHex(order.flatMap((index) => [requestContext(place(), { ...terms, number: numbers[index]! }), ...made[index]!.words].map((value) => numberToHex(value, { size: 32 })))));
    const { requests } = provedBatch(place(), terms, made);
    await expect(settleBatch(made)).to.emit(w.proofs, "ProofsSettled").withArgs(w.admin.address, modelId, terms.beneficiary, terms.deadline, requests.first, requests.offsets, statements);
    const batch = await w.proofs.settledBits(w.admin.address, 1_000 >> 8);
    const singles = await some(numbers.map((number) => number + 1_024n));
    for (const single of singles) await settle(single);
    expect(await w.proofs.settledBits(w.admin.address, 2_024 >> 8)).to.equal(batch);
    expect(batch).to.equal(numbers.reduce((bits, number) => bits | (1n << (number & 255n)), 0n));
  });

  it("crosses a word of the bitmap, and reaches the last number there is", async () => {
    const across = [510n, 511n, 512n, 513n];
    await settleBatch(await some(across));
    for (const number of across) expect(await isSettled(number)).to.equal(true);
    for (const number of [509n, 514n]) expect(await isSettled(number)).to.equal(false);
    await settleBatch(await some([MAX_NUMBER, MAX_NUMBER - 1n]));
    expect(await isSettled(MAX_NUMBER)).to.equal(true);
    // No request of the next address.
    expect(await w.proofs.settledBits(`0x${(BigInt(w.admin.address) + 1n).toString(16).padStart(40, "0")}`, 0)).to.equal(0n);
  });

  it("S5 a request that was settled, or stands twice, fails the whole by name", async () => {
    const made = await some([600n, 601n, 602n]);
    await settle(made[1]!);
    await expect(settleBatch(made)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementReplayed").withArgs(requestIdOf(place().asker, 601n));
    expect(await isSettled(600n)).to.equal(false);
    // Two answers to one request: different statements, so only the number tells.
    const [one, two] = [await prove(610n, terms, 8n, 9n), await prove(610n, terms, 9n, 10n)];
    const sorted = [one, two].sort((x, y) => (requestStatement(place(), { ...terms, number: 610n }, x.words) < requestStatement(place(), { ...terms, number: 610n }, y.words) ? -1 : 1));
    const call = (first: bigint, offsets: Hex, batch: readonly ProvedRequest[]) =>
      w.proofs.settleBatch({ ...terms, first, offsets }, concatHex(batch.map(({ proof }) => proof)), batch.flatMap(({ words }) => [...words]));
    await expect(call(610n, "0x0000", sorted)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementReplayed").withArgs(requestIdOf(place().asker, 610n));
    await expect(call(511n, "0x6363", sorted)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementReplayed").withArgs(requestIdOf(place().asker, 610n));
    expect(() => requestBatch(place(), terms, [one, two])).to.throw(RangeError, "stands twice");
    // The same request twice with the same answer: the statement repeats, too.
    await refused(call(610n, "0x0000", [one, one]), "ProofSettlementReplayed");
  });

  it("X7 empty batches, words that do not divide, numbers past the end and statements out of order: refused by name", async () => {
    const made = await some([620n, 621n]);
    const { requests, proofs, words } = provedBatch(place(), terms, made);
    await expect(w.proofs.settleBatch({ ...requests, offsets: "0x" }, proofs, words)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementCount").withArgs(0, 4);
    await expect(w.proofs.settleBatch(requests, proofs, words.slice(1))).to.be.revertedWithCustomError(w.proofs, "ProofSettlementCount").withArgs(2, 3);
    await expect(w.proofs.settleBatch({ ...requests, first: MAX_NUMBER - 254n }, proofs, words)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementNumber").withArgs(MAX_NUMBER - 254n);
    await expect(w.proofs.settledBits(w.admin.address, 1n << 88n)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementNumber");
    const verifier = await groth16();
    const reversed = { ...requests, offsets: `0x${requests.offsets.slice(4)}${requests.offsets.slice(2, 4)}` as Hex };
    await expect(w.proofs.settleBatch(reversed, `0x${proofs.slice(514)}${proofs.slice(2, 514)}`, [...words.slice(2), ...words.slice(0, 2)])).to.be.revertedWithCustomError(verifier, "Groth16StatementOrder").withArgs(1);
    await refused(w.proofs.settleBatch(requests, proofs.slice(0, -2), words), "Groth16ProofLength", verifier);
    await refused(w.proofs.settleBatch(requests, proofs.slice(0, 514), words), "Groth16InputCount", verifier);
    expect(() => requestBatch(place(), terms, [])).to.throw(RangeError, "one request");
    expect(() => requestBatch(place(), terms, [{ number: 0n, words: [] }, { number: 256n, words: [] }])).to.throw(RangeError, "too far apart");
    await settleBatch(made);
  });

  it("S9 a bad proof fails the batch and uses nothing up; halves find it, and the rest settles", async () => {
    const made = await some([640n, 641n, 642n, 643n, 644n, 645n]);
    const spoilt = made.map((item, i) => (i === 2 ? { ...item, proof: made[3]!.proof } : i === 5 ? { ...item, proof: withWords(item.proof, { 1: negated(wordsOf(item.proof)[1]!) }) } : item));
    await refused(settleBatch(spoilt), "ProofSettlementInvalid");
    expect(await isSettled(640n)).to.equal(false);
    const accepts = (part: readonly ProvedRequest[]) => {
      const { requests, proofs, words } = provedBatch(place(), terms, part);
      return w.proofs.settleBatch.staticCall(requests, proofs, words).then(() => true, () => false);
    };
    const { good, bad } = await bisect(spoilt, accepts);
    expect(bad.map(({ number }) => number)).to.deep.equal([642n, 645n]);
    await settleBatch(good);
    expect(await isSettled(645n)).to.equal(false);
  });

  it("nobody uses up another's numbers", async () => {
    const made = await some([660n]);
    const { requests, proofs, words } = provedBatch(place(), terms, made);
    await refused(w.proofs.connect(w.relayer).settleBatch(requests, proofs, words), "ProofSettlementInvalid");
    // Own numbers with own proofs: another word of the bitmap.
    const own = { ...place(), asker: w.relayer.address as Hex };
    const { proof, inputs } = await proveTiny(zkey, requestContext(own, { ...terms, number: 660n }), 1n, 2n);
    const batch = provedBatch(own, terms, [{ number: 660n, proof: encodeProof(proof), words: inputs.slice(1) }]);
    await w.proofs.connect(w.relayer).settleBatch(batch.requests, batch.proofs, batch.words);
    expect(await isSettled(660n)).to.equal(false);
    await settleBatch(made);
  });
});
