/** Pitfall 17 of docs/attestation/pitfalls.md: collateral. Each case is put to the contract and to its twin. */
import { expect } from "chai";

import { sequence } from "../../../keepers/attestation/development/der.ts";
import {
  certificateParts,
  encodeCertificateTbs,
  intelExtension,
  newKey,
  signRaw,
  wrapSigned,
} from "../../../keepers/attestation/development/intel.ts";
import { collateralCalls, joinEvidence } from "../../../sdk/attestation/intel/index.ts";
import type { SignedStatement } from "../../../sdk/attestation/intel/index.ts";
import { toHex } from "../../../sdk/attestation/nitro/index.ts";
import { IntelChain } from "./chain.ts";
import { DAY, NOW, bytes, certificate, crl, evidenceOf, fresh, good, pckDraft, platform, state, tcb } from "./pitfalls.ts";

describe("Intel pitfall 17: collateral (Automata 132, 141, 144, 155, 159; Taiko PR 21827)", () => {
  let chain: IntelChain;

  before(async () => {
    chain = await fresh();
  });

  it("takes nothing that Intel's certificate did not sign, and no certificate that the root did not sign", async () => {
    const forged = platform.statement("tcbInfo", platform.tcbInfo(), newKey());
    const empty = await IntelChain.at(NOW, platform.root);
    expect(await state(empty, forged)).to.equal("IntelUnknownAuthority");
    const on = await fresh([]);
    expect(await state(on, forged)).to.equal("IntelSignature");
    const good_ = tcb({});
    const text = new TextDecoder().decode(good_.json).replace("UpToDate", "Revoked");
    const changed = { ...good_, json: new TextEncoder().encode(text) };
    expect(await state(on, changed)).to.equal("IntelSignature");
    expect(await certificate(on, platform.certificate("signer", { key: newKey(), issuerKey: newKey() }))).to.equal("IntelIssuer");
    const stolen = certificateParts(platform.issued("signer", { key: newKey() }));
    const tbs = encodeCertificateTbs(stolen);
    expect(await certificate(on, wrapSigned(tbs, signRaw(tbs, newKey())))).to.equal("IntelSignature");
  });

  it("gives roles by name and constraints: a PCK signs no statement, a signer issues no PCK", async () => {
    const on = await fresh([]);
    const signer = platform.issued("signer", {});
    for (const edit of [{ subject: "Intel SGX PCK Certificate" }, { subject: "Intel SGX Root CA", key: newKey() }]) {
      expect(await certificate(on, platform.certificate("signer", edit))).to.equal("IntelRole");
    }
    expect(await certificate(on, platform.certificate("signer", { authority: true }))).to.equal("X509NotLeaf");
    expect(await certificate(on, platform.certificate("authority", { authority: false }))).to.equal("X509NotAuthority");
    const bySigner = pckDraft(() => ({}), { issuer: signer.subject, issuerKey: platform.keys.signer });
    expect(await chain.verdict(evidenceOf(bySigner))).to.equal("IntelUnknownAuthority");
    const statement = { ...tcb({}), signer: platform.certificate("authority") };
    const signature = signRaw(statement.json, platform.keys.authority);
    expect(await state(on, { ...statement, signature })).to.equal("IntelUnknownAuthority");
  });

  it("binds the type: SGX information does not judge a TD, nor another FMSPC or PCE this one", async () => {
    const levels = (platform.tcbInfo()["tcbLevels"] as { tcb: Record<string, unknown> }[]).map((level) => {
      const { tdxtcbcomponents: _, ...tcbOnly } = level.tcb;
      return { ...level, tcb: tcbOnly };
    });
    const sgx: Record<string, unknown> = { ...platform.tcbInfo(), id: "SGX", tcbLevels: levels };
    delete sgx["tdxModule"];
    delete sgx["tdxModuleIdentities"];
    const qe = platform.statement("qeIdentity", platform.qeIdentity());
    const cases: [SignedStatement[], string][] = [
      [[platform.statement("tcbInfo", sgx), qe], "IntelNoTcbInfo"],
      [[tcb({ fmspc: "90c06f000001" }), qe], "IntelNoTcbInfo"],
      [[tcb({ pceId: "0001" }), qe], "IntelNoTcbInfo"],
      [[tcb({}), platform.statement("qeIdentity", platform.qeIdentity({ id: "QE" }))], "IntelNoQeIdentity"],
    ];
    for (const [statements, expected] of cases) expect(await (await fresh(statements)).verdict(joinEvidence(good()))).to.equal(expected);
    const mixed: Record<string, unknown>[] = [
      { ...sgx, id: "TDX" },
      { ...platform.tcbInfo(), id: "SGX" },
      { ...platform.tcbInfo(), id: "QE" },
      { ...platform.tcbInfo(), version: 2 },
      { ...platform.tcbInfo(), tcbType: 1 },
    ];
    for (const info of mixed) expect(await state(chain, platform.statement("tcbInfo", info))).to.match(/^IntelStatement/);
  });

  it("goes forward only, in time and in evaluation number", async () => {
    const iso = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(".000", "");
    expect(await state(chain, tcb({}))).to.equal("IntelNotNewer");
    expect(await state(chain, tcb({ issueDate: iso(NOW - 7200) }))).to.equal("IntelNotNewer");
    expect(await state(chain, tcb({ issueDate: iso(NOW - 60), tcbEvaluationDataNumber: 17 }))).to.equal("IntelNotNewer");
    expect(await state(chain, tcb({ issueDate: iso(NOW + 3600) }))).to.equal("IntelNotYetValid");
    expect(await state(chain, tcb({ nextUpdate: iso(NOW - 1) }))).to.equal("IntelCollateralExpired");
    expect(await crl(chain, platform.crl("authority"))).to.equal("IntelNotNewer");
    const on = await fresh([]);
    expect(await state(on, tcb({ tcbEvaluationDataNumber: 19 }))).to.equal("ok");
  });

  it("ends with its nextUpdate, every part of it", async () => {
    const on = await fresh();
    await on.connection.networkHelpers.time.increaseTo(NOW + 20 * DAY - 2);
    expect(await on.verdict(joinEvidence(good()))).to.equal("ok");
    await on.connection.networkHelpers.time.increaseTo(NOW + 20 * DAY + 1);
    expect(await on.verdict(joinEvidence(good()))).to.equal("IntelCollateralExpired");
    const without = await IntelChain.at(NOW, platform.root);
    await without.record({ ...platform.bundle(), crls: [platform.crl("root")] });
    expect(await without.verdict(joinEvidence(good()))).to.equal("IntelCollateralExpired");
  });

  it("refuses what a list names: the platform's certificate, and everything below the root until it comes again", async () => {
    const on = await fresh();
    const { serial } = platform.issued("pck");
    const later = { issued: NOW - 60 };
    const list = platform.crl("authority", { ...later, serials: [5n, serial] });
    expect(await crl(on, list)).to.equal("ok");
    await on.upsert({ functionName: "upsertCrl", args: [toHex(list)] });
    expect(await on.verdict(joinEvidence(good()))).to.equal("IntelRevoked");

    const other = await fresh();
    const rootList = platform.crl("root", { ...later, serials: [99n] });
    await other.upsert({ functionName: "upsertCrl", args: [toHex(rootList)] });
    other.twin.upsertCrl(rootList, await other.now());
    expect(await other.verdict(joinEvidence(good()))).to.equal("IntelStale");
    for (const call of collateralCalls({ ...platform.bundle(), crls: [] })) await other.upsert(call);
    const { certificates, statements } = platform.bundle();
    for (const der of certificates) other.twin.upsertCertificate(der, await other.now());
    for (const statement of statements) other.twin.upsertStatement(statement, await other.now());
    expect(await other.verdict(joinEvidence(good()))).to.equal("ok");

    const named = platform.crl("root", { issued: NOW - 30, serials: [platform.issued("authority").serial] });
    await other.upsert({ functionName: "upsertCrl", args: [toHex(named)] });
    other.twin.upsertCrl(named, await other.now());
    expect(await certificate(other, platform.certificate("authority"))).to.equal("IntelRevoked");
    expect(await other.verdict(joinEvidence(good()))).to.equal("IntelStale");
  });

  it("takes lists from their issuer only, complete ones only", async () => {
    const on = await fresh([]);
    const later = { issued: NOW - 60 };
    expect(await crl(on, platform.crl("authority", { ...later, issuer: "Intel SGX Root CA" }))).to.equal("IntelUnknownAuthority");
    expect(await crl(on, platform.crl("authority", { ...later, issuerKey: newKey() }))).to.equal("IntelUnknownAuthority");
    const partial = intelExtension("2.5.29.28", true, sequence());
    expect(await crl(on, platform.crl("authority", { ...later, extensions: [partial] }))).to.equal("X509CriticalExtension");
    const delta = intelExtension("2.5.29.27", false, bytes("020101"));
    expect(await crl(on, platform.crl("authority", { ...later, extensions: [delta] }))).to.equal("IntelCrlForm");
  });

  it("reverts when the level, the module or the quoting enclave is revoked", async () => {
    const revoked = (levels: { status: string }[]): SignedStatement => platform.statement("tcbInfo", platform.tcbInfo(levels));
    const qe = (tcbStatus: string): SignedStatement => {
      const tcbLevels = [{ tcb: { isvsvn: 4 }, tcbDate: "2026-01-01T00:00:00Z", tcbStatus }];
      return platform.statement("qeIdentity", platform.qeIdentity({ tcbLevels }));
    };
    for (const [level, enclave] of [["Revoked", "UpToDate"], ["OutOfDate", "Revoked"]] as const) {
      const on = await fresh([revoked([{ status: level }]), qe(enclave)]);
      expect(await on.verdict(joinEvidence(good()))).to.equal("IntelTcbRevoked");
    }
    expect(await state(chain, revoked([{ status: "uptodate" }]))).to.equal("IntelUnknownStatus");
  });
});
