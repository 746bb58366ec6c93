/**
 * Structure-aware mutations, with fixed seeds: evidence as it is, evidence signed again so that the readers behind the
 * signatures are reached, and statements signed again. Contract and twin must agree on every one; what no key signed again
 * may be accepted only if it states what the original stated.
 */
import { expect } from "chai";

import { concat } from "../../../keepers/attestation/development/der.ts";
import {
  INTEL_SGX_ROOT,
  IntelCollateral,
  collateralCalls,
  joinEvidence,
  openQuote,
  splitEvidence,
  verifyIntel,
} from "../../../sdk/attestation/intel/index.ts";
import type { CollateralCall, IntelAttestation, QuoteParts, SignedStatement } from "../../../sdk/attestation/intel/index.ts";
import { runs } from "../../utils/deep.ts";
import { Random } from "../../utils/random.ts";
import { IntelChain, judge } from "./chain.ts";
import { fresh, platform } from "./pitfalls.ts";
import { SEASONS, quoteVectors, vectorsPresent } from "./vectors.ts";

const SEED = 0x746478;
const FIELDS = ["signed", "signature", "attestationKey", "qeReport", "qeSignature", "auth", "pckTbs", "pckSignature"] as const;

const VALUES = ["0", "01", "-1", "256", "65536", "4294967296", "1e3", "true", "null", '""', '"\\n"', "{}", "[]", " "] as const;

/** One change of some bytes: a bit, a byte, a piece gone, doubled or added, zeros or ones. */
function change(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length === 0) return random.bytes(1);
  const at = random.below(bytes.length);
  const to = Math.min(bytes.length, at + 1 + random.below(8));
  const [before, piece, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return bytes.map((byte, index) => (index === at ? byte ^ (1 << random.below(8)) : byte));
    case 3:
      return bytes.map((byte, index) => (index === at ? random.below(256) : byte));
    case 4:
      return concat(before, after);
    case 5:
      return concat(before, piece, piece, after);
    case 6:
      return concat(before, random.bytes(1 + random.below(4)), piece, after);
    default:
      return concat(before, new Uint8Array(piece.length).fill(random.pick([0, 0xff])), after);
  }
}

const raw = (bytes: Uint8Array, random: Random): Uint8Array =>
  random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : change(bytes, random);

/** A change of one field, with the others as they were. */
function changeField(parts: QuoteParts, random: Random): QuoteParts {
  const field = random.pick(FIELDS);
  return { ...parts, [field]: change(parts[field], random) };
}

/** A change of what gets signed, and everything signed again: the readers see it. */
function resigned(random: Random): QuoteParts {
  const draft = platform.draft({ version: random.pick([4, 5]) });
  const field = random.pick(["signed", "qeReport", "auth", "pckTbs", "pckTbs", "pckTbs"] as const);
  const edited = { ...draft, [field]: change(draft[field], random) };
  return platform.seal({ ...edited, body: edited.signed.subarray(draft.signed.length - draft.body.length) });
}

/** A statement with a change in its text, signed again. */
function statement(random: Random): SignedStatement {
  const kind = random.below(3) === 0 ? "qeIdentity" : "tcbInfo";
  const text = JSON.stringify(kind === "qeIdentity" ? platform.qeIdentity() : platform.tcbInfo());
  const tokens = text.split(/(?<=[,:{}[\]])|(?=[,:{}[\]])/);
  const at = random.below(tokens.length);
  const edits: (() => void)[] = [
    () => void tokens.splice(at, 1),
    () => void tokens.splice(at, 0, tokens[at] as string),
    () => void (tokens[at] = random.pick(tokens)),
    () => void ([tokens[at], tokens[0]] = [tokens[0] as string, tokens[at] as string]),
    () => void (tokens[at] = random.pick(VALUES)),
    () => void (tokens[at] = new TextDecoder("latin1").decode(change(new TextEncoder().encode(tokens[at]), random))),
  ];
  random.pick(edits)();
  return platform.statement(kind, tokens.join(""));
}

const facts = (attestation: IntelAttestation): string => JSON.stringify(attestation, (_, value: unknown) => String(value));

describe("Intel mutations", () => {
  let chain: IntelChain;
  before(async () => {
    chain = await fresh();
  });

  const twin = async (evidence: Uint8Array, on = chain) => {
    const now = await on.now();
    return judge(() => verifyIntel(evidence, { collateral: on.twin, now }));
  };

  /** Both take it or both refuse it; what they take, they read alike. */
  async function agree(evidence: Uint8Array, on: IntelChain, run: number): Promise<string> {
    const [contract, { verdict, verified }] = [await on.contractVerdict(evidence), await twin(evidence, on)];
    expect(contract === "ok", `run ${run}: contract ${contract}, twin ${verdict}`).to.equal(verdict === "ok");
    if (verified) {
      const found = await on.attestation(evidence);
      for (const [name, value] of Object.entries(verified.attestation)) {
        const onChain: unknown = found[name as keyof IntelAttestation];
        expect(onChain, `run ${run}: ${name}`).to.equal(typeof value === "number" ? BigInt(value) : value);
      }
    }
    return contract;
  }

  const many = runs(600, 50_000);
  it(`of evidence are refused or state the same, ${many} of them`, async function () {
    this.timeout(3_600_000);
    const original = platform.seal(platform.draft());
    const truth = facts((await twin(joinEvidence(original))).verified!.attestation);
    const reasons = new Map<string, number>();
    for (let run = 0; run < many; run++) {
      const random = new Random(SEED + run);
      const evidence = random.below(3) === 0 ? raw(joinEvidence(original), random) : joinEvidence(changeField(original, random));
      const { verdict, verified } = await twin(evidence);
      if (verified) expect(facts(verified.attestation), `run ${run}`).to.equal(truth);
      reasons.set(verdict, (reasons.get(verdict) ?? 0) + 1);
    }
    expect(reasons.size).to.be.greaterThan(6);
  });

  const some = runs(120, 2_000);
  it(`of evidence get one verdict from contract and twin, signed again or not, ${some} of them`, async function () {
    this.timeout(3_600_000);
    const original = platform.seal(platform.draft());
    const reasons = new Map<string, number>();
    for (let run = 0; run < some; run++) {
      const random = new Random(SEED + 1_000_000 + run);
      const parts = random.below(4) === 0 ? changeField(original, random) : resigned(random);
      const verdict = await agree(joinEvidence(parts), chain, run);
      reasons.set(verdict, (reasons.get(verdict) ?? 0) + 1);
    }
    // Signed again, some changes are another genuine platform; the others reach the readers behind the signatures.
    expect(reasons.get("ok") ?? 0).to.be.greaterThan(0);
    expect([...reasons.keys()].some((name) => /^(Der|X509|TdxSgx)/.test(name))).to.equal(true);
  });

  const told = runs(120, 1_000);
  it(`of statements get one verdict from contract and twin, ${told} of them`, async function () {
    this.timeout(3_600_000);
    const on = await fresh([]);
    const reasons = new Map<string, number>();
    for (let run = 0; run < told; run++) {
      const mutant = statement(new Random(SEED + 2_000_000 + run));
      const [call] = collateralCalls({ certificates: [], crls: [], statements: [mutant] });
      const contract = await on.upsertVerdict(call as CollateralCall);
      const collateral = await twinWithCertificates(on);
      const now = await on.now();
      const { verdict } = judge(() => collateral.upsertStatement(mutant, now));
      const text = new TextDecoder("latin1").decode(mutant.json);
      expect(contract === "ok", `run ${run}: contract ${contract}, twin ${verdict}: ${text}`).to.equal(verdict === "ok");
      reasons.set(contract, (reasons.get(contract) ?? 0) + 1);
    }
    expect(reasons.size).to.be.greaterThan(5);
  });

  it("of genuine quotes are refused or state the same", async function () {
    if (!vectorsPresent) {
      console.log("      skipped: ../shared/vectors/tdx is not here");
      return this.skip();
    }
    this.timeout(3_600_000);
    const season = SEASONS[1]!;
    const real = await IntelChain.at(season.now, INTEL_SGX_ROOT);
    await real.record(season.bundle());
    const quotes = quoteVectors().filter((quote) => quote.genuine && quote.fmspc === season.fmspc);
    for (let run = 0; run < runs(150, 10_000); run++) {
      const random = new Random(SEED + 3_000_000 + run);
      const { evidence } = openQuote(random.pick(quotes).bytes);
      const truth = facts((await twin(evidence, real)).verified!.attestation);
      const mutant = random.below(2) === 0 ? raw(evidence, random) : joinEvidence(changeField(splitEvidence(evidence), random));
      const { verified } = await twin(mutant, real);
      if (verified) expect(facts(verified.attestation), `run ${run}`).to.equal(truth);
      if (run % 5 === 0) await agree(mutant, real, run);
    }
  });
});

/** A twin with certificates and nothing else: a statement that is accepted must not make the next one old. */
async function twinWithCertificates(on: IntelChain) {
  const collateral = new IntelCollateral(platform.root);
  const now = await on.now();
  const bundle = platform.bundle([]);
  for (const der of bundle.certificates) collateral.upsertCertificate(der, now);
  for (const der of bundle.crls) collateral.upsertCrl(der, now);
  return collateral;
}
