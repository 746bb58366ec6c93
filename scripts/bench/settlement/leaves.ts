/** How fast a full node checks leaves, and how its memory grows with the batch. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { type Hex, bytesToBigInt, bytesToHex, hexToBytes, keccak256, numberToBytes, numberToHex, toHex } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { createVerifyPool } from "../../../keepers/roles/full/verify-pool.ts";
import { encodeBatchStream, type SignedLeaf, treeBuilder, verifyBatch } from "../../../sdk/batch/index.ts";
import { type BatchHeader, type ChannelStretch, type InferenceReceipt, KeyType, receiptDigest, receiptLeaf, stretchLeaf } from "../../../sdk/protocol/index.ts";

const domain = { chainId: 713370, verifyingContract: "0x1111111111111111111111111111111111111111" } as const;
const nodeId = keccak256(toHex("bench node"));
const keyId = keccak256(toHex("bench key"));
const secret = bytesToBigInt(hexToBytes(keccak256(toHex("bench secret"))));
const signer = privateKeyToAddress(numberToHex(secret, { size: 32 }));
const { Point } = secp256k1;
const N = Point.CURVE().n;
const PER_PAYMENT = 100;

/** A batch of any size on disk. Nonces count up: fast, reproducible, and nothing that a real signer may do. */
async function writeBatch(file: string, count: number): Promise<BatchHeader> {
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

function* leaves(count: number, onLeaf: (leaf: Uint8Array) => void): Generator<SignedLeaf> {
  let point = Point.BASE.multiply(1_000_003n);
  let nonce = 1_000_003n;
  for (let index = 0; index < count; index++) {
    point = point.add(Point.BASE);
    nonce++;
    const affine = point.toAffine();
    const receipt: InferenceReceipt = {
      nodeId, keyId, modelId: `0x${"33".repeat(32)}`, termsHash: `0x${"44".repeat(32)}`, requestHash: keccak256(numberToBytes(index + 1)), responseHash: keccak256(numberToBytes(index + 2)),
      paymentId: numberToHex(Math.floor(index / PER_PAYMENT) + 1, { size: 32 }), cumulativeBefore: BigInt(index % PER_PAYMENT) * 3n, charge: 3n, inputUnits: 20n, outputUnits: 200n,
      sequence: BigInt(index % PER_PAYMENT), issuedAt: 1n, outcome: 1,
    };
    const digest = receiptDigest(receipt, domain);
    const signature = sign(digest, nonce, affine.x, affine.y);
    onLeaf(hexToBytes(receiptLeaf(digest, signature)));
    yield { receipt, signature };
  }
}

function sign(digest: Hex, nonce: bigint, x: bigint, y: bigint): Hex {
  const r = x % N;
  let s = (Point.Fn.inv(nonce) * ((BigInt(digest) + r * secret) % N)) % N;
  let odd = (y & 1n) === 1n;
  if (s > N / 2n) [s, odd] = [N - s, !odd];
  return `${numberToHex(r, { size: 32 })}${numberToHex(s, { size: 32 }).slice(2)}${odd ? "1c" : "1b"}`;
}

/** Checks a batch from disk as the full node does. */
async function check(file: string, header: BatchHeader, pool: ReturnType<typeof createVerifyPool>): Promise<{ seconds: number; peakRss: number }> {
  let peakRss = 0;
  const watch = setInterval(() => (peakRss = Math.max(peakRss, process.memoryUsage.rss())), 20);
  let session: ReturnType<typeof pool.open> | null = null;
  const started = performance.now();
  const report = await verifyBatch({
    header, source: createReadStream(file), recordsPerChunk: 2_048, parallel: pool.size * 2,
    checker: (preamble) => (session = pool.open({ domain, preamble, key: { keyType: KeyType.Secp256k1, signer } })).check,
  });
  (session as { close(): void } | null)?.close();
  clearInterval(watch);
  if (!report.ok) throw new Error(`the benchmark's own batch is faulty: ${JSON.stringify(report.fault)}`);
  return { seconds: (performance.now() - started) / 1000, peakRss: Math.max(peakRss, process.memoryUsage.rss()) };
}

/** @param large Leaves of the large batch; the asked figure is for 10^6. */
export async function leafFigures(print: (line: string) => void, large = 1_000_000): Promise<Record<string, number>> {
  const dir = mkdtempSync(join(tmpdir(), "og-bench-"));
  const pool = createVerifyPool(2);
  try {
    const file = (count: number) => join(dir, `${count}.bin`);
    const small = await writeBatch(file(1_000), 1_000);
    const middle = await writeBatch(file(40_000), 40_000);
    // Warm: threads started, code compiled, heaps grown to their working size.
    await check(file(40_000), middle, pool);
    const base = await check(file(1_000), small, pool);
    const { seconds } = await check(file(40_000), middle, pool);
    print(`  40,000 leaves in ${seconds.toFixed(1)} s`);
    const big = await writeBatch(file(large), large);
    const long = await check(file(large), big, pool);
    print(`  ${large.toLocaleString("en")} leaves in ${long.seconds.toFixed(1)} s, ${Math.round(long.peakRss / 2 ** 20)} MiB against ${Math.round(base.peakRss / 2 ** 20)} MiB for 1,000`);
    return { "leaves-per-second": Math.round(40_000 / seconds), "memory-1e6-over-1e3": Number((long.peakRss / base.peakRss).toFixed(2)) };
  } finally {
    await pool.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}
