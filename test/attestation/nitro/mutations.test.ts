/**
 * Structure-aware mutations, with fixed seeds. A mutant may be refused for any declared reason, or accepted if it states exactly
 * what the document stated. Everything else is a finding: another statement, a crash, a disagreement.
 */
import { createPublicKey, verify } from "node:crypto";

import { expect } from "chai";

import { AWS_NITRO_ROOT, buildNitroCall, explainNitro, keccakHex, toHex, verifyNitro } from "../../../sdk/attestation/nitro/index.ts";
import type { Hex, NitroAttestation, SignatureStatement } from "../../../sdk/attestation/nitro/index.ts";
import { runs } from "../../utils/deep.ts";
import { Random } from "../../utils/random.ts";
import { chainAt, deployWithKernel } from "./chain.ts";
import { NOW, forge } from "./forge.ts";
import { Judges, twinVerdict } from "./judges.ts";
import { mutate } from "./mutate.ts";
import { parseTree, writeTree } from "./tree.ts";
import { nitroVectors } from "./vectors.ts";

const SEED = 0x6e6974;

/** The platform's arithmetic instead of the SDK's: faster, and a second opinion. Remembers what it has said. */
function platformVerifier(): (statement: SignatureStatement) => boolean {
  const known = new Map<string, boolean>();
  const prefix = Buffer.from("3076301006072a8648ce3d020106052b8104002203620004", "hex");
  return (statement) => {
    const id = Buffer.concat([statement.publicKey, statement.digest, statement.signature]).toString("latin1");
    const said = known.get(id) ?? check(statement);
    known.set(id, said);
    return said;
  };
  function check({ publicKey, message, signature }: SignatureStatement): boolean {
    try {
      const key = createPublicKey({ key: Buffer.concat([prefix, publicKey]), format: "der", type: "spki" });
      return verify("sha384", message, { key, dsaEncoding: "ieee-p1363" }, signature);
    } catch {
      return false;
    }
  }
}

interface Original {
  title: string;
  bytes: Uint8Array;
  root: Hex;
  now: number;
}

/** Real documents of every shape, where they are present, and one of our own with every optional field. */
function originals(): Original[] {
  const own = forge({ publicKey: new Uint8Array(65), userData: new Uint8Array(32), nonce: new Uint8Array() });
  const real = nitroVectors()
    .filter((vector) => vector.genuine)
    .map(({ file, bytes, now }) => ({ title: file, bytes, root: AWS_NITRO_ROOT, now }));
  return [{ title: "our own", bytes: own.document, root: own.root, now: NOW }, ...real];
}

const facts = (attestation: NitroAttestation): string => JSON.stringify(attestation, (_, value: unknown) => String(value));

describe("Nitro mutations", () => {
  const all = originals();
  const verifySignature = platformVerifier();
  const stated = (original: Original) => verifyNitro(original.bytes, { ...original, verifySignature }).attestation;

  it("writes a tree as it was read", () => {
    for (const { bytes } of all) expect(keccakHex(writeTree(parseTree(bytes)))).to.equal(keccakHex(bytes));
  });

  const many = runs(3_000, 50_000);
  it(`are refused or mean the same, ${many} of them`, function () {
    this.timeout(1_800_000);
    const truths = all.map((original) => facts({ ...stated(original) }));
    const reasons = new Map<string, number>();
    for (let run = 0; run < many; run++) {
      const random = new Random(SEED + run);
      const which = random.below(all.length);
      const original = all[which] as Original;
      const mutant = mutate(original.bytes, random);
      const { verdict, verified } = twinVerdict(mutant.bytes, { ...original, verifySignature });
      if (verified) expect(facts(verified.attestation), `run ${run}: ${mutant.done}`).to.equal(truths[which]);
      // The explanation for people says the same, and never throws.
      if (run % 20 === 0) expect(explainNitro(mutant.bytes, { ...original, verifySignature }).ok, mutant.done).to.equal(verdict === "ok");
      reasons.set(verdict, (reasons.get(verdict) ?? 0) + 1);
    }
    // A generator that is refused at the door tests the door only.
    expect(reasons.size).to.be.greaterThan(25);
    expect(reasons.get("NitroSignature") ?? 0).to.be.greaterThan(many / 20);
    expect(reasons.get("ok") ?? 0).to.be.greaterThan(0);
  });

  const some = runs(50, 2_000);
  it(`get the same verdict from contract and twin, ${some} of them`, async function () {
    this.timeout(3_600_000);
    const judged = all.slice(-3).concat(all.slice(0, 1));
    for (const [index, original] of judged.entries()) {
      const judges = await Judges.at(original.now, original.root);
      expect(await judges.verdict(original.bytes)).to.equal("ok");
      for (let run = index; run < some; run += judged.length) {
        const mutant = mutate(original.bytes, new Random(SEED + 1_000_000 + run));
        try {
          await judges.verdict(mutant.bytes);
        } catch (error: unknown) {
          throw new Error(`run ${run} on ${original.title}: ${mutant.done}`, { cause: error });
        }
      }
    }
  });

  const proved = runs(8, 400);
  it(`get that verdict with the real curve kernel, too, ${proved} of those that reach it`, async function () {
    this.timeout(3_600_000);
    const original = all[0] as Original;
    const connection = await chainAt(original.now);
    const { verifier } = await deployWithKernel(connection, original.root);
    await connection.networkHelpers.time.increaseTo(original.now);
    const { hints } = await buildNitroCall(original.bytes, original);
    const reasons = new Map<string, number>();
    for (let run = 0, done = 0; done < proved; run++) {
      const mutant = mutate(original.bytes, new Random(SEED + 2_000_000 + run));
      const { verdict } = twinVerdict(mutant.bytes, { ...original, verifySignature });
      if (verdict !== "ok" && verdict !== "NitroSignature") continue;
      done++;
      // Nobody can prove what is wrong: the best that a forger has is the original's proof.
      const proof = verdict === "ok" ? (await buildNitroCall(mutant.bytes, original)).hints : hints;
      const contract = await verifier.verify.staticCall(toHex(mutant.bytes), proof, { gasLimit: 16_777_216n }).then(
        () => "ok",
        (error: unknown) => /custom error '(\w+)\(/.exec(String(error))?.[1] ?? `undeclared: ${String(error)}`,
      );
      expect(contract.startsWith("P384") ? "NitroSignature" : contract, `run ${run}: ${mutant.done}`).to.equal(verdict);
      reasons.set(verdict, (reasons.get(verdict) ?? 0) + 1);
    }
    expect([...reasons.keys()].sort()).to.deep.equal(["NitroSignature", "ok"]);
  });
});
