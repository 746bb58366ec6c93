import { expect } from "chai";
import { type Hex, keccak256, numberToHex, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { createVerifyPool, type VerifyPool } from "../../../keepers/roles/full/verify-pool.ts";
import { chunkChecker, type SignedLeaf } from "../../../sdk/batch/index.ts";
import { recordLength, writeReceipt } from "../../../sdk/batch/records.ts";
import { nativeEngine, nobleEngine, type Secp256k1Engine } from "../../../sdk/crypto/secp256k1.ts";
import { KeyType, receiptDigest } from "../../../sdk/protocol/index.ts";

const domain = { chainId: 713370, verifyingContract: "0x1111111111111111111111111111111111111111" } as const;
const account = privateKeyToAccount(keccak256(toHex("pool")));
const stranger = privateKeyToAccount(keccak256(toHex("stranger")));
const preamble = { nodeId: keccak256(toHex("node")), keyId: keccak256(toHex("key")), signatureLength: 65 };
const key = { keyType: KeyType.Secp256k1, signer: account.address };
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

async function chunk(count: number, bend: (leaf: SignedLeaf, index: number) => Promise<SignedLeaf> | SignedLeaf = (leaf) => leaf): Promise<Uint8Array> {
  const out = new Uint8Array(count * recordLength(preamble));
  for (let index = 0; index < count; index++) {
    const receipt = {
      nodeId: preamble.nodeId, keyId: preamble.keyId, modelId: keccak256("0x01"), termsHash: keccak256("0x02"), requestHash: keccak256(numberToHex(index)), responseHash: keccak256("0x03"),
      paymentId: keccak256("0x04"), cumulativeBefore: BigInt(index), charge: 1n, inputUnits: 1n, outputUnits: 1n, sequence: BigInt(index), issuedAt: 1n, outcome: 1,
    };
    writeReceipt(out, index * recordLength(preamble), await bend({ receipt, signature: await account.sign({ hash: receiptDigest(receipt, domain) }) }, index));
  }
  return out;
}

const highS = (signature: Hex): Hex =>
  `${signature.slice(0, 66)}${numberToHex(ORDER - BigInt(`0x${signature.slice(66, 130)}`), { size: 32 }).slice(2)}${signature.endsWith("1b") ? "1c" : "1b"}` as Hex;

/** What a bad signature at leaf 5 of 8 may look like. */
const BENT: Record<string, (leaf: SignedLeaf) => Promise<Hex> | Hex> = {
  "another key's": ({ receipt }) => stranger.sign({ hash: receiptDigest(receipt, domain) }),
  "the key's, of another receipt": ({ receipt }) => account.sign({ hash: receiptDigest({ ...receipt, charge: 2n }, domain) }),
  "of the other parity": ({ signature }) => `${signature.slice(0, 130)}${signature.endsWith("1b") ? "1c" : "1b"}` as Hex,
  "malleated to high s": ({ signature }) => highS(signature),
  "with v 0": ({ signature }) => `${signature.slice(0, 130)}00` as Hex,
  "with an r that is no point's": ({ signature }) => `${numberToHex(5n, { size: 32 })}${signature.slice(66)}` as Hex,
  "with s 0": ({ signature }) => `${signature.slice(0, 66)}${"00".repeat(32)}${signature.slice(130)}` as Hex,
};

describe("leaves on worker threads", () => {
  let pool: VerifyPool;
  before(() => void (pool = createVerifyPool(2)));
  after(() => pool.stop());

  const engines: [string, Secp256k1Engine | undefined][] = [["native", nativeEngine()], ["portable", nobleEngine]];
  for (const [name, engine] of engines) {
    it(`${name}: every way to be a bad signature is found, and named by its index`, async function () {
      if (!engine) this.skip();
      const check = chunkChecker({ domain, preamble, key, engine });
      expect((await check(await chunk(8), 8)).bad).to.equal(-1);
      for (const [what, bend] of Object.entries(BENT)) {
        for (const at of [0, 5]) {
          const bytes = await chunk(8, async (leaf, index) => (index === at ? { ...leaf, signature: await bend(leaf) } : leaf));
          expect((await check(bytes, 8)).bad, `${what} at ${at}`).to.equal(at);
        }
      }
    });
  }

  it("the pool gives the same hashes as one thread, and the records back", async () => {
    const bytes = await chunk(20);
    const alone = await chunkChecker({ domain, preamble, key })(bytes, 20);
    const { check, close } = pool.open({ domain, preamble, key });
    const copies = Array.from({ length: 6 }, () => bytes.slice());
    for (const result of await Promise.all(copies.map((copy) => check(copy, 20)))) {
      expect(result.bad).to.equal(-1);
      expect(Buffer.from(result.leaves).equals(alone.leaves) && Buffer.from(result.digests).equals(alone.digests)).to.equal(true);
      expect(Buffer.from(result.bytes!).equals(bytes)).to.equal(true);
    }
    expect(copies.every((copy) => copy.length === 0), "records are moved, not copied").to.equal(true);
    close();
  });

  it("a key that is another node's is found at the first leaf", async () => {
    const { check, close } = pool.open({ domain, preamble, key: { ...key, signer: stranger.address } });
    expect((await check(await chunk(8), 8)).bad).to.equal(0);
    close();
  });
});
