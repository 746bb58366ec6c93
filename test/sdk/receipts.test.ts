import { expect } from "chai";
import { constants, generateKeyPairSync, sign } from "node:crypto";
import { type Hex, bytesToHex, hexToBytes, keccak256, toBytes, zeroHash } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import {
  Finish,
  type InferenceReceipt,
  KeyType,
  Outcome,
  ResponseKind,
  canonicalJson,
  receiptDigest,
  requestHash,
  responseHash,
} from "../../sdk/protocol/index.ts";
import { verifyNodeSignature } from "../../sdk/receipts/signatures.ts";
import { type Expectation, ReceiptError, checkReceipt } from "../../sdk/receipts/verify.ts";
import { ReceiptFormatError, type SignedReceipt, receiptFromJson, receiptToJson, signedReceiptFromJson } from "../../sdk/receipts/wire.ts";
import { freshKey } from "../utils/keys.ts";

const id = (label: string): Hex => keccak256(toBytes(label));
const domain = { chainId: 713370, verifyingContract: "0x5e771e0000000000000000000000000000000001" } as const;
const request = { model: "m", messages: [{ role: "user", content: "hi" }] };
const content = canonicalJson({ content: "hello" });
const salt = id("salt");

function receiptOf(change: Partial<InferenceReceipt> = {}): InferenceReceipt {
  return {
    nodeId: id("node"),
    keyId: id("key"),
    modelId: id("model"),
    termsHash: id("terms"),
    requestHash: requestHash(salt, request),
    responseHash: responseHash(salt, ResponseKind.Chat, Finish.Stop, content),
    paymentId: id("payment"),
    cumulativeBefore: 100n,
    charge: 40n,
    inputUnits: 1n,
    outputUnits: 2n,
    sequence: 3n,
    issuedAt: 1_790_000_000n,
    outcome: Outcome.Complete,
    ...change,
  };
}

const account = privateKeyToAccount(freshKey());

async function signed(change: Partial<InferenceReceipt> = {}): Promise<SignedReceipt> {
  const receipt = receiptOf(change);
  const signature = await account.sign({ hash: receiptDigest(receipt, domain) });
  return { receipt, signature, salt, response: { kind: ResponseKind.Chat, finish: Finish.Stop } };
}

const expectation: Expectation = {
  domain,
  key: { nodeId: id("node"), keyId: id("key"), keyType: KeyType.Secp256k1, publicKey: account.publicKey, valid: true },
  modelId: id("model"),
  termsHash: id("terms"),
  paymentId: id("payment"),
  cumulativeBefore: 100n,
  ceiling: 50n,
  nextSequence: 3n,
  request,
  response: content,
  now: 1_790_000_002n,
};

describe("receipts: what a client checks", () => {
  it("an honest receipt passes every check", async () => {
    const checks = await checkReceipt(await signed(), expectation);
    expect(checks.filter((check) => !check.ok)).to.deep.equal([]);
    expect(checks.length).to.equal(14);
  });

  // A lying node signs what it likes: the signature is always right, and exactly one check must notice.
  const lies: [string, Partial<InferenceReceipt>][] = [
    ["node", { nodeId: zeroHash }],
    ["key", { keyId: zeroHash }],
    ["model", { modelId: zeroHash }],
    ["terms", { termsHash: zeroHash }],
    ["payment", { paymentId: zeroHash }],
    ["line", { cumulativeBefore: 99n }],
    ["sequence", { sequence: 2n }],
    ["request", { requestHash: zeroHash }],
    ["response", { responseHash: zeroHash }],
    ["charge", { charge: 51n }],
    ["outcome", { outcome: Outcome.Error }],
    ["time", { issuedAt: 1_790_000_033n }],
    ["time", { issuedAt: 1_789_990_000n }],
  ];
  for (const [check, lie] of lies) {
    it(`refuses ${Object.keys(lie)[0]} = ${Object.values(lie)[0]} by the check "${check}"`, async () => {
      const failed = (await checkReceipt(await signed(lie), expectation)).filter((item) => !item.ok);
      expect(failed.map((item) => item.id)).to.deep.equal([check]);
    });
  }

  it("refuses a changed signature, a foreign signer, another chain and a key that the registry does not hold", async () => {
    const honest = await signed();
    const failing = async (bad: SignedReceipt, expected = expectation) => (await checkReceipt(bad, expected)).filter((item) => !item.ok).map((item) => item.id);
    expect(await failing({ ...honest, signature: `0x${"11".repeat(65)}` })).to.deep.equal(["signature"]);
    expect(await failing({ ...honest, signature: "0x" })).to.deep.equal(["signature"]);
    const foreign = privateKeyToAccount(freshKey());
    expect(await failing(honest, { ...expectation, key: { ...expectation.key, publicKey: foreign.publicKey } })).to.deep.equal(["signature"]);
    expect(await failing(honest, { ...expectation, domain: { ...domain, chainId: 1 } })).to.deep.equal(["signature"]);
    expect(await failing(honest, { ...expectation, key: { ...expectation.key, valid: false } })).to.deep.equal(["key-valid"]);
  });

  it("the error names each failed check in words", async () => {
    const error = new ReceiptError(await checkReceipt(await signed({ charge: 51n }), expectation));
    expect(error.message).to.include("charged 51 of at most 50");
  });
});

describe("receipts: signatures of all key types", () => {
  const digest = id("digest");

  it("secp256k1: high s is refused", async () => {
    const signature = await account.sign({ hash: digest });
    expect(await verifyNodeSignature(KeyType.Secp256k1, account.publicKey, digest, signature)).to.equal(true);
    expect(await verifyNodeSignature(KeyType.Secp256k1, account.address, digest, signature)).to.equal(true);
    const bytes = hexToBytes(signature);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const high = (order - BigInt(bytesToHex(bytes.slice(32, 64)))).toString(16).padStart(64, "0");
    const malleated: Hex = `0x${Buffer.from(bytes.slice(0, 32)).toString("hex")}${high}${bytes[64] === 27 ? "1c" : "1b"}`;
    expect(await verifyNodeSignature(KeyType.Secp256k1, account.publicKey, digest, malleated)).to.equal(false);
  });

  it("P-256 and RSA-PSS as made by OpenSSL", async () => {
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = ec.publicKey.export({ format: "jwk" });
    const point: Hex = `0x04${Buffer.from(jwk.x!, "base64url").toString("hex")}${Buffer.from(jwk.y!, "base64url").toString("hex")}`;
    const ecSignature = bytesToHex(sign("sha256", hexToBytes(digest), { key: ec.privateKey, dsaEncoding: "ieee-p1363" }));
    expect(await verifyNodeSignature(KeyType.P256, point, digest, ecSignature)).to.equal(true);
    expect(await verifyNodeSignature(KeyType.P256, point, id("other"), ecSignature)).to.equal(false);

    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const spki = bytesToHex(rsa.publicKey.export({ type: "spki", format: "der" }));
    const pss = { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING };
    const rsaSignature = bytesToHex(sign("sha256", hexToBytes(digest), { ...pss, saltLength: 32 }));
    expect(await verifyNodeSignature(KeyType.RsaPss2048, spki, digest, rsaSignature)).to.equal(true);
    expect(await verifyNodeSignature(KeyType.RsaPss2048, spki, id("other"), rsaSignature)).to.equal(false);
    const otherSalt = bytesToHex(sign("sha256", hexToBytes(digest), { ...pss, saltLength: 20 }));
    expect(await verifyNodeSignature(KeyType.RsaPss2048, spki, digest, otherSalt)).to.equal(false);
  });

  it("garbage keys and unknown types are false, not a crash", async () => {
    for (const type of [0, 1, 2, 3, 4]) {
      for (const junk of ["0x", "0x00", `0x04${"ff".repeat(64)}`, `0x${"ab".repeat(294)}`] as Hex[]) {
        expect(await verifyNodeSignature(type, junk, digest, junk)).to.equal(false);
      }
    }
  });
});

describe("receipts: the form on the wire", () => {
  it("goes out and comes back unchanged", () => {
    const receipt = receiptOf({ charge: 2n ** 128n - 1n });
    expect(receiptFromJson(JSON.parse(JSON.stringify(receiptToJson(receipt))))).to.deep.equal(receipt);
  });

  it("refuses missing, malformed and out-of-range fields by name", () => {
    const good = receiptToJson(receiptOf());
    const bad: [string, unknown][] = [
      ["nodeId", "0x12"],
      ["modelId", undefined],
      ["charge", "-1"],
      ["charge", (2n ** 128n).toString()],
      ["charge", 5],
      ["sequence", "01"],
      ["issuedAt", "1e3"],
      ["outcome", 0],
      ["outcome", "1"],
    ];
    for (const [field, value] of bad) {
      expect(() => receiptFromJson({ ...good, [field]: value }), `${field} = ${String(value)}`).to.throw(ReceiptFormatError, `"${field}"`);
    }
    expect(() => signedReceiptFromJson(null)).to.throw(ReceiptFormatError, '"opengradient"');
    expect(() => signedReceiptFromJson({ receipt: good, signature: "0xabc", salt, response: { kind: 1, finish: 1 } })).to.throw(ReceiptFormatError, '"signature"');
  });
});
