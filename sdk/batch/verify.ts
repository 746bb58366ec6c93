/**
 * Checks a whole batch against its header: every leaf's signature, the order, the intervals, the sums, both roots. What
 * it finds is named as a fault with the index that proves it.
 */
import { type Hex, bytesToHex, hexToBytes } from "viem";
import { type BatchHeader, type ChannelStretch, compareReceipts, type InferenceReceipt, Outcome, stretchLeaf } from "../protocol/index.ts";
import { type BlobSource, openBatch, type RecordChunk } from "./decode.ts";
import { BatchFormatError, STRETCH_LENGTH } from "./format.ts";
import { readReceipt, readStretch, recordLength, type SignedLeaf } from "./records.ts";
import type { ChunkChecker, ChunkResult } from "./signatures.ts";
import { type TreeBuilder, treeBuilder } from "./tree.ts";

/** Kinds of fault that the data alone shows. */
export type BatchFaultKind =
  | "format" | "wrong-node" | "count" | "signature" | "order" | "overlap" | "time" | "outcome" | "sum" | "stretch" | "receipts-root" | "channels-root";

export interface BatchFault {
  kind: BatchFaultKind;
  /** Leaf (or stretch) that shows it, where there is one. */
  index: number | null;
  detail: string;
}

export interface BatchReport {
  ok: boolean;
  fault: BatchFault | null;
  leaves: number;
}

export interface VerifyOptions {
  header: BatchHeader;
  source: BlobSource;
  /** Makes the checker once the preamble is read. */
  checker: (preamble: { nodeId: Hex; keyId: Hex; signatureLength: number }) => ChunkChecker;
  recordsPerChunk?: number;
  /** Chunks that may be under way at once. */
  parallel?: number;
  /** Gets every chunk in order, after its checks. */
  onChunk?: (chunk: { first: number; leaves: SignedLeaf[]; hashes: Uint8Array; digests: Uint8Array }) => void;
  onStretch?: (stretch: ChannelStretch, index: number) => void;
}

class Found extends Error {
  readonly fault: BatchFault;
  constructor(kind: BatchFaultKind, index: number | null, detail: string) {
    super(detail);
    this.fault = { kind, index, detail };
  }
}

/** Never throws for what the blob holds; does for what the checker or the source cannot do. */
export async function verifyBatch(options: VerifyOptions): Promise<BatchReport> {
  let leaves = 0;
  try {
    const { preamble, chunks } = await openBatch(options.source);
    const { header } = options;
    if (preamble.nodeId !== header.nodeId.toLowerCase() || preamble.keyId !== header.keyId.toLowerCase()) throw new Found("wrong-node", null, "the blob names another node or key than the header");
    if (preamble.count !== header.count || preamble.channels !== header.channels) {
      throw new Found("count", null, `the blob has ${preamble.count} receipts in ${preamble.channels} stretches, the header says ${header.count} in ${header.channels}`);
    }
    const check = options.checker(preamble);
    const line = lineChecker(header);
    const receipts = treeBuilder();
    const channels = treeBuilder();
    const queue: { chunk: RecordChunk; result: Promise<ChunkResult> }[] = [];

    const drain = async (): Promise<void> => {
      const { chunk, result } = queue.shift()!;
      const { leaves: hashes, digests, bad } = await result;
      const decoded: SignedLeaf[] = [];
      for (let index = 0; index < chunk.count; index++) {
        if (index === bad) throw new Found("signature", chunk.first + index, "the signature is not the key's");
        const leaf = readReceipt(chunk.bytes, index * recordLength(preamble), preamble);
        line.receipt(leaf.receipt, chunk.first + index);
        receipts.add(hashes.slice(32 * index, 32 * index + 32));
        decoded.push(leaf);
      }
      leaves += chunk.count;
      options.onChunk?.({ first: chunk.first, leaves: decoded, hashes, digests });
    };

    for await (const chunk of chunks(options.recordsPerChunk)) {
      if (chunk.kind === "receipts") {
        const result = check(chunk.bytes, chunk.count);
        // Looked at in its turn; until then a failure must not count as unhandled.
        result.catch(() => {});
        queue.push({ chunk, result });
        if (queue.length >= (options.parallel ?? 1)) await drain();
        continue;
      }
      while (queue.length > 0) await drain();
      for (let index = 0; index < chunk.count; index++) {
        const stretch = readStretch(chunk.bytes, index * STRETCH_LENGTH);
        line.stretch(stretch, chunk.first + index);
        channels.add(hexToBytes(stretchLeaf(stretch)));
        options.onStretch?.(stretch, chunk.first + index);
      }
    }
    line.end();
    compareRoot("receipts-root", receipts, header.receiptsRoot);
    compareRoot("channels-root", channels, header.channelsRoot);
    return { ok: true, fault: null, leaves };
  } catch (error) {
    if (error instanceof Found) return { ok: false, fault: error.fault, leaves };
    if (error instanceof BatchFormatError) return { ok: false, fault: { kind: "format", index: null, detail: error.message }, leaves };
    throw error;
  }
}

function compareRoot(kind: "receipts-root" | "channels-root", tree: TreeBuilder, expected: Hex): void {
  const found = bytesToHex(tree.root());
  if (found !== expected.toLowerCase()) throw new Found(kind, null, `the data has the root ${found}, the header says ${expected}`);
}

/** Follows the number lines: order, intervals, sums, and the stretches that they make. */
function lineChecker(header: BatchHeader) {
  let last: InferenceReceipt | null = null;
  let total = 0n;
  /** Stretches that the receipts make, in short form: all that the blob's own stretches are compared with. */
  const expected: { paymentId: Hex; from: bigint; to: bigint; firstLeaf: number; leafCount: number; prefixTotal: bigint }[] = [];
  return {
    receipt(receipt: InferenceReceipt, index: number): void {
      const end = receipt.cumulativeBefore + receipt.charge;
      if (receipt.outcome < Outcome.Complete || receipt.outcome > Outcome.Error) throw new Found("outcome", index, `the outcome ${receipt.outcome} does not exist`);
      if (receipt.outcome === Outcome.Error && receipt.charge !== 0n) throw new Found("outcome", index, `an error was charged ${receipt.charge}`);
      if (receipt.issuedAt < header.minIssuedAt || receipt.issuedAt > header.maxIssuedAt) {
        throw new Found("time", index, `issued at ${receipt.issuedAt}, outside of the header's ${header.minIssuedAt} to ${header.maxIssuedAt}`);
      }
      const stretch = expected.at(-1);
      if (last && last.paymentId === receipt.paymentId) {
        if (compareReceipts(last, receipt) >= 0) throw new Found("order", index, "receipts are not strictly ascending");
        if (last.sequence === receipt.sequence) throw new Found("order", index, `the sequence ${receipt.sequence} comes twice`);
        if (receipt.cumulativeBefore < last.cumulativeBefore + last.charge) throw new Found("overlap", index, "the interval overlaps the one before");
      } else if (last && compareReceipts(last, receipt) >= 0) throw new Found("order", index, "payments are not strictly ascending");
      total += receipt.charge;
      if (stretch && last?.paymentId === receipt.paymentId && stretch.to === receipt.cumulativeBefore) {
        stretch.to = end;
        stretch.leafCount++;
        stretch.prefixTotal = total;
      } else {
        if (expected.length === header.channels) throw new Found("stretch", null, `the receipts make more than the ${header.channels} stretches that the header says`);
        expected.push({ paymentId: receipt.paymentId, from: receipt.cumulativeBefore, to: end, firstLeaf: index, leafCount: 1, prefixTotal: total });
      }
      last = receipt;
    },
    stretch(stretch: ChannelStretch, index: number): void {
      const wanted = expected[index];
      for (const name of ["paymentId", "from", "to", "firstLeaf", "leafCount", "prefixTotal"] as const) {
        if (wanted?.[name] !== stretch[name]) throw new Found("stretch", index, `its ${name} is ${stretch[name]}, the receipts say ${wanted?.[name]}`);
      }
    },
    end(): void {
      if (expected.length !== header.channels) throw new Found("stretch", null, `the receipts make ${expected.length} stretches, the header says ${header.channels}`);
      if (total !== header.totalCharge) throw new Found("sum", null, `the receipts come to ${total}, the header says ${header.totalCharge}`);
    },
  };
}
