import { expect } from "chai";
import fc from "fast-check";
import { type Hex, bytesToHex, hashTypedData, hexToBytes, keccak256, recoverAddress, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { localAccount } from "../../sdk/crypto/account.ts";
import { engine, nativeEngine, nobleEngine, recoverKey, recoverSigner, signDigest } from "../../sdk/crypto/secp256k1.ts";
import { typedDataHash } from "../../sdk/crypto/typedData.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const secret = fc.bigInt(1n, ORDER - 1n).map((value) => hexToBytes(toHex(value, { size: 32 })));

describe("secp256k1: the native engine and the portable one agree", () => {
  const native = nativeEngine();

  it("the native engine is the one in use where it loads", function () {
    if (!native) this.skip();
    expect(engine.name).to.equal("libsecp256k1");
  });

  it("they sign the same bytes and recover the same key; viem agrees", async () => {
    await fc.assert(fc.asyncProperty(bytes32, secret, async (digest, key) => {
      const signature = signDigest(digest, key);
      expect(bytesToHex(signDigest(digest, key, nobleEngine))).to.equal(bytesToHex(signature));
      expect(recoverKey(digest, signature, nobleEngine)).to.deep.equal(recoverKey(digest, signature));
      const signer = recoverSigner(digest, signature);
      expect(signer).to.equal(privateKeyToAccount(bytesToHex(key)).address.toLowerCase());
      expect(signer).to.equal((await recoverAddress({ hash: digest, signature })).toLowerCase());
    }), { numRuns: 20 });
  });

  it("what a contract refuses is refused by both: high s, v other than 27 and 28, other lengths, r or s out of range", () => {
    const digest = hexToBytes(keccak256("0x01"));
    const good = signDigest(digest, hexToBytes(keccak256("0x02")));
    const s = BigInt(bytesToHex(good.subarray(32, 64)));
    const changed = (change: (bytes: Uint8Array) => void) => {
      const bytes = Uint8Array.from(good);
      change(bytes);
      return bytes;
    };
    const bad: Record<string, Uint8Array> = {
      "high s": changed((bytes) => (bytes.set(hexToBytes(toHex(ORDER - s, { size: 32 })), 32), (bytes[64] = 55 - bytes[64]!))),
      "v 0 or 1": changed((bytes) => (bytes[64]! -= 27)),
      "v of EIP-155": changed((bytes) => (bytes[64]! += 10)),
      "64 bytes": good.subarray(0, 64),
      "66 bytes": Uint8Array.from([...good, 0]),
      "r 0": changed((bytes) => bytes.fill(0, 0, 32)),
      "s 0": changed((bytes) => bytes.fill(0, 32, 64)),
      "r above the order": changed((bytes) => bytes.fill(0xff, 0, 32)),
      nothing: new Uint8Array(),
    };
    for (const by of native ? [native, nobleEngine] : [nobleEngine]) {
      expect(recoverSigner(digest, good, by)).to.be.a("string");
      for (const [name, signature] of Object.entries(bad)) expect(recoverSigner(digest, signature, by), `${by.name}: ${name}`).to.equal(undefined);
      expect(recoverSigner("0x00", bytesToHex(good), by)).to.equal(undefined);
      expect(recoverSigner(digest, "0xzz" as Hex, by)).to.equal(undefined);
    }
  });
});

describe("EIP-712 digests from a prepared layout", () => {
  const types = {
    Flat: [
      { name: "id", type: "bytes32" }, { name: "who", type: "address" }, { name: "small", type: "uint8" }, { name: "large", type: "uint256" }, { name: "yes", type: "bool" },
    ],
    Deep: [{ name: "text", type: "string" }, { name: "flat", type: "Flat" }, { name: "list", type: "uint256[]" }],
  } as const;
  const flat = fc.record({
    id: bytes32.map((bytes) => bytesToHex(bytes)), who: fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => bytesToHex(bytes)),
    small: fc.integer({ min: 0, max: 255 }), large: fc.bigInt(0n, 2n ** 256n - 1n), yes: fc.boolean(),
  });
  const domains = fc.record(
    { name: fc.string(), version: fc.string(), chainId: fc.oneof(fc.integer({ min: 1, max: 1e9 }), fc.bigInt(1n, 2n ** 64n)), verifyingContract: fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => bytesToHex(bytes)) },
    { requiredKeys: [] },
  );

  it("equal viem's, for flat structs and for every other kind", () => {
    fc.assert(fc.property(domains, flat, fc.string(), (domain, message, text) => {
      const one = { domain, types, primaryType: "Flat", message } as const;
      expect(typedDataHash(one)).to.equal(hashTypedData(one as never));
      const other = { domain, types, primaryType: "Deep", message: { text, flat: message, list: [1n, 2n] } } as const;
      expect(typedDataHash(other)).to.equal(hashTypedData(other as never));
    }), { numRuns: 60 });
  });

  it("a value that does not fit is an error, never another digest", () => {
    const message = { id: `0x${"11".repeat(32)}`, who: `0x${"22".repeat(20)}`, small: 1, large: 1n, yes: true };
    for (const over of [{ small: 256 }, { small: -1 }, { large: 2n ** 256n }, { id: "0x11" }, { who: `0x${"22".repeat(21)}` }, { id: `0x${"zz".repeat(32)}` }, { large: undefined }]) {
      expect(() => typedDataHash({ domain: {}, types, primaryType: "Flat", message: { ...message, ...over } }), JSON.stringify(over, (_, v) => String(v))).to.throw();
    }
  });

  it("an account signs what viem's account signs", async () => {
    const key = keccak256("0x03");
    const [ours, theirs] = [localAccount(key), privateKeyToAccount(key)];
    const typed = { domain: { name: "x", chainId: 5 }, types, primaryType: "Flat", message: { id: `0x${"11".repeat(32)}`, who: `0x${"22".repeat(20)}`, small: 1, large: 1n, yes: true } } as const;
    expect(await ours.signTypedData(typed)).to.equal(await theirs.signTypedData(typed));
    expect(await ours.sign({ hash: key })).to.equal(await theirs.sign({ hash: key }));
    expect(ours.address).to.equal(theirs.address);
  });
});
