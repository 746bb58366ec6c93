import { expect } from "chai";
import fc from "fast-check";
import { bytesToHex, keccak256, toHex } from "viem";
import { Aead, hpkeOpen, hpkeSeal } from "../../../sdk/payload/hpke.ts";
import { openPayload, PayloadError, payloadKeyPair, payloadMatches, sealPayload } from "../../../sdk/payload/payload.ts";
import { requestHash, responseHash } from "../../../sdk/protocol/index.ts";

const hex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));
const codeOf = (work: Promise<unknown>) => work.then(() => "opened", (error: unknown) => (error instanceof PayloadError ? error.code : String(error)));

describe("sealed payloads", () => {
  const digest = keccak256(toHex("receipt"));
  const content = { request: { model: "credit-score", messages: [{ role: "user", content: "my secret" }] }, response: { kind: 1, finish: 1, content: "an answer" }, salt: keccak256(toHex("salt")) } as const;
  const { secretKey, publicKey } = payloadKeyPair();

  it("HPKE is RFC 9180's: its vector A.1.1", async () => {
    const input = { info: hex("4f6465206f6e2061204772656369616e2055726e"), aad: hex("436f756e742d30"), aead: Aead.Aes128Gcm };
    const plaintext = hex("4265617574792069732074727574682c20747275746820626561757479");
    const sealed = await hpkeSeal(hex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"), plaintext, input, hex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736"));
    expect(bytesToHex(sealed)).to.equal(
      "0x37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431" +
        "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
    );
    expect(await hpkeOpen(hex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"), sealed, input)).to.deep.equal(plaintext);
  });

  it("the payer opens what was sealed to it; the prompt stands nowhere in the bytes; twice is never the same", async () => {
    const [one, two] = [await sealPayload(publicKey, digest, content), await sealPayload(publicKey, digest, content)];
    expect(await openPayload(secretKey, digest, one)).to.deep.equal(content);
    expect(Buffer.from(one).includes("my secret")).to.equal(false);
    expect(Buffer.from(one).equals(two)).to.equal(false);
  });

  it("what opens to something else than request, answer and salt is refused by name", async () => {
    const { request, response, salt } = content;
    for (const other of [null, [], "text", { response, salt }, { request, salt }, { request, response: null, salt }, { request, response: { ...response, kind: 256 }, salt }, { request, response, salt: "0x12" }]) {
      expect(await codeOf(openPayload(secretKey, digest, await sealPayload(publicKey, digest, other as never))), JSON.stringify(other)).to.equal("PAYLOAD_FORMAT");
    }
  });

  it("another key, another receipt, a changed byte anywhere: refused", async () => {
    const sealed = await sealPayload(publicKey, digest, content);
    expect(await codeOf(openPayload(payloadKeyPair().secretKey, digest, sealed))).to.equal("PAYLOAD_KEY");
    expect(await codeOf(openPayload(secretKey, keccak256("0x01"), sealed))).to.equal("PAYLOAD_RECEIPT");
    await fc.assert(
      fc.asyncProperty(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const bent = sealed.slice();
        bent[at]! ^= flip;
        // The top bit of an X25519 coordinate is ignored by the curve, and bound by the key schedule.
        expect(await codeOf(openPayload(secretKey, digest, bent))).to.match(/^PAYLOAD_/);
      }),
      { numRuns: 100 },
    );
    for (const length of [0, 8, 40, 60, sealed.length - 1]) expect(await codeOf(openPayload(secretKey, digest, sealed.subarray(0, length)))).to.match(/^PAYLOAD_/);
  });

  it("an opened payload is held against the receipt's commitments", () => {
    const receipt = { requestHash: requestHash(content.salt, content.request), responseHash: responseHash(content.salt, 1, 1, "an answer") };
    expect(payloadMatches(receipt, content)).to.deep.equal({ request: true, response: true });
    expect(payloadMatches(receipt, { ...content, request: { model: "credit-score" } })).to.deep.equal({ request: false, response: true });
    expect(payloadMatches(receipt, { ...content, response: { ...content.response, finish: 2 } })).to.deep.equal({ request: true, response: false });
  });

  it("keys that no secret hides behind are refused: wrong length, small order", async () => {
    expect(await codeOf(sealPayload("0x1234", digest, content))).to.equal("PAYLOAD_KEY");
    for (const weak of [`0x${"00".repeat(32)}`, `0x01${"00".repeat(31)}`] as const) expect(await codeOf(sealPayload(weak, digest, content))).to.equal("PAYLOAD_KEY");
  });
});
