/**
 * Genuine shapes that the vectors do not hold: everything that AWS's specification and the standards below it leave open, drawn at random
 * under a development root. All of them must verify, on chain and in the twin, with equal facts.
 */
import { expect } from "chai";

import { element, objectId, octetString, sequence, set, utf8String } from "../../../keepers/attestation/development/der.ts";
import { basicConstraints, extension, extensions, keyUsage } from "../../../keepers/attestation/development/certificate.ts";
import {
  cborArray, cborBytes, cborMap, cborNull, cborOpenMap, cborText, cborUint, head,
} from "../../../keepers/attestation/development/document.ts";
import { concat } from "../../../keepers/attestation/development/der.ts";
import { buildNitroCall, toHex } from "../../../sdk/attestation/nitro/index.ts";
import { runs } from "../../utils/deep.ts";
import { Random } from "../../utils/random.ts";
import { chainAt, deployWithKernel } from "./chain.ts";
import { DAY, NOW, forge } from "./forge.ts";
import type { CertificateEdit, Entry, EnvelopeParts, Forgery } from "./forge.ts";
import { Judges } from "./judges.ts";

const SEED = 0x736870;
const CAP = { gasLimit: 16_777_216n };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const shuffled = <T>(random: Random, items: readonly T[]): T[] =>
  items.map((item) => ({ item, at: random.below(1_000_000) })).sort((a, b) => a.at - b.at).map(({ item }) => item);
const openArray = (items: readonly Uint8Array[]): Uint8Array => concat(Uint8Array.of(0x9f), ...items, Uint8Array.of(0xff));

/** Serial number, times in both forms, order of extensions and ones that nobody must understand. */
function certificate(random: Random, index: number, length: number): CertificateEdit {
  const leaf = index === length - 1;
  const serial = Uint8Array.of(1 + random.below(127), ...random.bytes(random.below(20)));
  const late = sequence(element(0x17, text("260101000000Z")), element(0x18, text("20560101000000Z")));
  const authority = leaf ? undefined : random.below(3) ? { pathLength: length - 2 - index + random.below(3) } : {};
  const known = [basicConstraints(authority), keyUsage(!leaf)];
  const keyId = octetString(random.bytes(20));
  const others = [
    extension("2.5.29.14", false, keyId),
    extension("2.5.29.35", false, sequence(element(0x80, random.bytes(20)))),
    extension("2.5.29.31", false, sequence(sequence(element(0xa0, element(0xa0, element(0x86, text("http://x.invalid/crl"))))))),
    extension("1.3.6.1.4.1.99999.7", false, octetString(random.bytes(random.below(40)))),
  ];
  return {
    options: { serial, notBefore: NOW - 1 - random.below(DAY), notAfter: NOW + 100 + random.below(DAY) },
    parts: () => ({
      extensions: extensions(...shuffled(random, [...known, ...others.slice(random.below(5))])),
      ...(random.below(3) === 0 ? { validity: late } : {}),
      // The leaf's name is nobody's issuer: it may be as long as the certificate allows.
      ...(leaf ? { subject: sequence(set(sequence(objectId("2.5.4.3"), utf8String("x".repeat(1 + random.below(60)))))) } : {}),
    }),
  };
}

function optional(random: Random): Uint8Array | undefined {
  return random.pick([undefined, cborNull, ...[0, 1, 32, 65, 294, 512, 513, 1_024].map((length) => cborBytes(random.bytes(length)))]);
}

function shape(random: Random): Forgery {
  const length = 3 + random.below(4);
  const count = random.pick([16, 17, 24, 32]);
  const indices = shuffled(random, Array.from({ length: count }, (_, i) => i)).filter((i) => i < 3 || random.below(4) > 0);
  const pcrs = indices.map((i) => [cborUint(i), cborBytes(random.below(2) ? random.bytes(48) : new Uint8Array(48).fill(i + 1))] as const);
  const replaced: Record<string, Uint8Array | undefined> = {
    pcrs: random.below(2) ? cborMap(pcrs) : cborOpenMap(pcrs),
    module_id: cborText("i-".padEnd(random.pick([1, 4, 39, 255]), "0a")),
    public_key: optional(random), user_data: optional(random), nonce: optional(random),
  };
  const rewritten = ([key, value]: Entry): Entry[] => {
    const name = Buffer.from(key.subarray(1)).toString();
    if (name === "cabundle" && random.below(2)) return [[key, concat(Uint8Array.of(0x9f), value.subarray(1), Uint8Array.of(0xff))]];
    if (!(name in replaced)) return [[key, value]];
    const other = replaced[name];
    return other === undefined ? [] : [[key, other]];
  };
  const unknown: Entry[] = [[cborText("a field of the future"), cborMap([[cborText("x"), openArray([cborNull, cborUint(7)])]])]];
  const definite = random.below(2) === 0;
  let written: Entry[] = [];
  return {
    length,
    // The root is the pinned one, as it is.
    certificates: Object.fromEntries(Array.from({ length: length - 1 }, (_, i) => [i + 1, certificate(random, i + 1, length)])),
    entries: (entries) => (written = shuffled(random, [...entries.flatMap(rewritten), ...(random.below(3) ? [] : unknown)])),
    payload: (open) => (definite ? cborMap(written) : open),
    timestamp: (NOW - random.below(200)) * 1_000 + random.below(1_000),
    envelope: (parts) => envelope(random, parts),
  };
}

/** The outer encoding is nobody's to fix: a tag or none, either form of list, an unprotected header with something in it. */
function envelope(random: Random, { header, payload, signature }: EnvelopeParts): Uint8Array {
  const unprotected = random.pick([cborMap([]), cborOpenMap([]), cborMap([[cborUint(4), cborBytes(text("key 1"))]])]);
  const items = [cborBytes(header), unprotected, cborBytes(payload), cborBytes(signature)];
  const list = random.below(2) ? cborArray(items) : openArray(items);
  return random.below(2) ? concat(head(6, 18), list) : list;
}

describe("Nitro: genuine shapes", () => {
  const { root } = forge();

  const many = runs(24, 1_500);
  it(`verify, on chain and in the twin, with equal facts, ${many} of them`, async function () {
    this.timeout(1_800_000);
    const judges = await Judges.at(NOW, root);
    const lengths = new Set<number>();
    for (let run = 0; run < many; run++) {
      const { document, chain } = forge(shape(new Random(SEED + run)));
      lengths.add(chain.length);
      expect(await judges.verdict(document), `run ${run}`).to.equal("ok");
      await judges.attestation(document);
    }
    expect([...lengths].sort()).to.deep.equal([3, 4, 5, 6]);
  });

  const few = runs(3, 60);
  it(`and with the real curve kernel, ${few} of them`, async function () {
    this.timeout(1_800_000);
    const connection = await chainAt(NOW);
    const { verifier } = await deployWithKernel(connection, root);
    await connection.networkHelpers.time.increaseTo(NOW);
    for (let run = 0, done = 0; done < few; run++) {
      const { document, chain } = forge(shape(new Random(SEED + 10_000 + run)));
      // Longer chains are remembered first: hints of one call prove five signatures at most.
      if (chain.length > 5) continue;
      const { evidence, hints } = await buildNitroCall(document, { root });
      const { teeType } = await verifier.verify.staticCall(evidence, hints, CAP);
      expect(teeType, toHex(document).slice(0, 40)).to.equal(1n);
      done++;
    }
  });
});
