/** Batches of any size on disk, for measurements: quick to make, the same every time. */
import { normalizeZ } from "@noble/curves/abstract/curve.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { type Hex, bytesToBigInt, bytesToHex, hexToBytes, keccak256, numberToBytes, numberToHex, toHex } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { encodeBatchStream, recordLength, type SignedLeaf, treeBuilder } from "../../../sdk/batch/index.ts";
import { leafHasher } from "../../../sdk/batch/leaf.ts";
import { writeReceipt } from "../../../sdk/batch/records.ts";
import { type BatchHeader, type ChannelStretch, type InferenceReceipt, stretchLeaf } from "../../../sdk/protocol/index.ts";

export const domain = { chainId: 713370, verifyingContract: "0x1111111111111111111111111111111111111111" } as const;
const nodeId = keccak256(toHex("bench node"));
const keyId = keccak256(toHex("bench key"));
const secret = bytesToBigInt(hexToBytes(keccak256(toHex("bench secret"))));
export const signer = privateKeyToAddress(numberToHex(secret, { size: 32 }));
const { Point } = secp256k1;
const N = Point.CURVE().n;
const PER_PAYMENT = 100;

/** Writes a batch of `count` receipts and gives its header. */
export async function writeBatch(file: string, count: number): Promise<BatchHeader> {
  const receipts = treeBuilder();
  const channels = treeBuilder();
  const payments = Math.ceil(count / PER_PAYMENT);
  const stretches = Array.from({ length: payments }, (_, index): ChannelStretch => {
    const size = BigInt(Math.min(PER_PAYMENT, count - index * PER_PAYMENT));
    return {
      paymentChainId: 713371n, escrow: "0x2222222222222222222222222222222222222222", paymentId: numberToHex(index + 1, { size: 32 }), from: 0n, to: size * 3n,
      firstLeaf: index * PER_PAYMENT, leafCount: Number(size), prefixTotal: BigInt(index * PER_PAYMENT) * 3n + size * 3n,
    };
  });
  for (const stretch of stretches) channels.add(hexToBytes(stretchLeaf(stretch)));
  const out = createWriteStream(file);
  for await (const piece of encodeBatchStream({ nodeId, keyId, count, leaves: leaves(count, (leaf) => receipts.add(leaf)), stretches })) {
    if (!out.write(piece)) await new Promise<void>((resolve) => out.once("drain", () => resolve()));
  }
  out.end();
  await finished(out);
  return {
    nodeId, keyId, nonce: 1n, prevHeader: `0x${"00".repeat(32)}`, receiptsRoot: bytesToHex(receipts.root()), channelsRoot: bytesToHex(channels.root()),
    count, channels: payments, totalCharge: BigInt(count) * 3n, minIssuedAt: 1n, maxIssuedAt: 1n, blobId: `0x${"11".repeat(32)}`, contentHash: `0x${"22".repeat(32)}`, format: 1,
  };
}

/** Nonces count up: fast, reproducible, and nothing that a real signer may do. */
function* leaves(count: number, onLeaf: (leaf: Uint8Array) => void): Generator<SignedLeaf> {
  const hasher = leafHasher(domain, nodeId, keyId);
  const record = new Uint8Array(recordLength({ signatureLength: 65 }));
  const blank: Hex = `0x${"00".repeat(65)}`;
  const block = 1_000;
  let nonce = 1_000_003n;
  let point = Point.BASE.multiply(nonce);
  for (let first = 0; first < count; first += block) {
    const size = Math.min(block, count - first);
    const points = Array.from({ length: size }, () => (point = point.add(Point.BASE)));
    const nonces = points.map(() => ++nonce);
    // One inversion for a whole block.
    const affine = normalizeZ(Point, points).map((normal) => normal.toAffine());
    const inverses = Point.Fn.invertBatch(nonces);
    for (let at = 0; at < size; at++) {
      const index = first + at;
      const receipt: InferenceReceipt = {
        nodeId, keyId, modelId: `0x${"33".repeat(32)}`, termsHash: `0x${"44".repeat(32)}`, requestHash: keccak256(numberToBytes(index + 1)), responseHash: keccak256(numberToBytes(index + 2)),
        paymentId: numberToHex(Math.floor(index / PER_PAYMENT) + 1, { size: 32 }), cumulativeBefore: BigInt(index % PER_PAYMENT) * 3n, charge: 3n, inputUnits: 20n, outputUnits: 200n,
        sequence: BigInt(index % PER_PAYMENT), issuedAt: 1n, outcome: 1,
      };
      writeReceipt(record, 0, { receipt, signature: blank });
      const digest = hasher.digest(record, 0);
      const signature = sign(digest, inverses[at]!, affine[at]!);
      onLeaf(hasher.leaf(digest, hexToBytes(signature)));
      yield { receipt, signature };
    }
  }
}

function sign(digest: Uint8Array, inverseNonce: bigint, { x, y }: { x: bigint; y: bigint }): Hex {
  const r = x % N;
  let s = (inverseNonce * ((bytesToBigInt(digest) + r * secret) % N)) % N;
  let odd = (y & 1n) === 1n;
  if (s > N / 2n) [s, odd] = [N - s, !odd];
  return `${numberToHex(r, { size: 32 })}${numberToHex(s, { size: 32 }).slice(2)}${odd ? "1c" : "1b"}`;
}
