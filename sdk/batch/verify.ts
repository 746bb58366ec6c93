/**
 * Checks a whole batch against its header: every leaf's signature, the order, the intervals, the sums, both roots. What
 * it finds is named as a fault with the index that proves it.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { type Hex, bytesToHex, hexToBytes, toBytes } from "viem";
import { type BatchHeader, type ChannelStretch, Outcome, stretchLeaf } from "../protocol/index.ts";
import { type BlobSource, openBatch, type RecordChunk } from "./decode.ts";
import { AT, BatchFormatError, STRETCH_LENGTH } from "./format.ts";
import { integerAt } from "./numbers.ts";
import { readReceipt, readStretch, recordLength, type SignedLeaf } from "./records.ts";
import type { ChunkChecker, ChunkResult } from "./signatures.ts";
import { readTerms, termsChecker, type TermsBook, type TermsUse, wrongTerms } from "./terms.ts";
import { type TreeBuilder, treeBuilder } from "./tree.ts";

/** Kinds of fault that the data alone shows. */
export type BatchFaultKind =
  | "format" | "wrong-node" | "count" | "signature" | "order" | "overlap" | "time" | "outcome" | "sum" | "stretch" | "receipts-root" | "channels-root"
  | "terms" | "overcharge" | "royalty";

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
  /** Which models were sold under which terms. */
  uses: TermsUse[];
  /** Why nobody can tell from the blob whether the charges are right, or null. A batch may be `ok` and not be judged. */
  unjudged: string | null;
}

export interface VerifyOptions {
  header: BatchHeader;
  source: BlobSource;
  /** Makes the checker once the preamble is read. */
  checker: (preamble: { nodeId: Hex; keyId: Hex; signatureLength: number }) => ChunkChecker;
  /** Image policy that the registry has for the node; without it the terms' policy is not compared. */
  nodePolicy?: Hex;
  /** Preimages from elsewhere, for a blob of format 1. */
  book?: TermsBook;
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
  let terms = termsChecker(options.book ?? { terms: [], tariffs: [] });
  const report = (ok: boolean, fault: BatchFault | null): BatchReport => ({ ok, fault, leaves, uses: terms.uses(), unjudged: terms.unjudged() });
  try {
    const { preamble, chunks } = await openBatch(options.source);
    const { header } = options;
    if (preamble.version !== header.format) throw new BatchFormatError(`the blob is of format ${preamble.version}, the header says ${header.format}`);
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
      const { leaves: hashes, digests, bad, bytes = chunk.bytes } = await result;
      const decoded: SignedLeaf[] = [];
      for (let index = 0; index < chunk.count; index++) {
        if (index === bad) throw new Found("signature", chunk.first + index, "the signature is not the key's");
        line.record(bytes, index * recordLength(preamble), chunk.first + index);
        const overcharge = terms.record(bytes, index * recordLength(preamble), chunk.first + index);
        if (overcharge) throw new Found("overcharge", chunk.first + index, overcharge);
        receipts.add(hashes.slice(32 * index, 32 * index + 32));
        if (options.onChunk) decoded.push(readReceipt(bytes, index * recordLength(preamble), preamble));
      }
      leaves += chunk.count;
      options.onChunk?.({ first: chunk.first, leaves: decoded, hashes, digests });
    };

    for await (const chunk of chunks(options.recordsPerChunk)) {
      if (chunk.kind === "terms") {
        terms = termsChecker(readTerms(chunk.bytes));
        continue;
      }
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
    for (const use of terms.uses()) {
      const wrong = use.terms && wrongTerms(header.nodeId, use.terms, options.nodePolicy ?? use.terms.policyId);
      if (wrong) throw new Found("terms", use.leaf, wrong);
    }
    return report(true, null);
  } catch (error) {
    if (error instanceof Found) return report(false, error.fault);
    if (error instanceof BatchFormatError) return report(false, { kind: "format", index: null, detail: error.message });
    throw error;
  }
}

function compareRoot(kind: "receipts-root" | "channels-root", tree: TreeBuilder, expected: Hex): void {
  const found = bytesToHex(tree.root());
  if (found !== expected.toLowerCase()) throw new Found(kind, null, `the data has the root ${found}, the header says ${expected}`);
}

/** Exact up to here, by a running hash beyond: memory does not grow with a batch of a million payments. */
const EXACT_STRETCHES = 50_000;

interface Line {
  paymentId: Hex;
  from: bigint;
  to: bigint;
  firstLeaf: number;
  leafCount: number;
  prefixTotal: bigint;
}

/** Follows the number lines, straight from the records: order, intervals, sums, and the stretches that they make. */
function lineChecker(header: BatchHeader) {
  const last = { payment: new Uint8Array(32), end: -1n, sequence: -1n };
  let total = 0n;
  let stretches = 0;
  let open: Line | null = null;
  const exact: Line[] = [];
  const derived = keccak_256.create();
  const given = keccak_256.create();

  function close(): void {
    if (!open) return;
    if (stretches <= EXACT_STRETCHES) exact.push(open);
    else derived.update(packed(open));
  }

  return {
    record(bytes: Uint8Array, offset: number, index: number): void {
      const at = (from: number, length: 8 | 16) => integerAt(bytes, offset + from, length);
      const [before, charge, sequence, issuedAt, outcome] = [at(AT.cumulativeBefore, 16), at(AT.charge, 16), at(AT.sequence, 8), at(AT.issuedAt, 8), bytes[offset + AT.outcome]!];
      const payment = bytes.subarray(offset + AT.paymentId, offset + AT.paymentId + 32);
      const end = before + charge;
      if (outcome < Outcome.Complete || outcome > Outcome.Error) throw new Found("outcome", index, `the outcome ${outcome} does not exist`);
      if (outcome === Outcome.Error && charge !== 0n) throw new Found("outcome", index, `an error was charged ${charge}`);
      if (issuedAt < header.minIssuedAt || issuedAt > header.maxIssuedAt) {
        throw new Found("time", index, `issued at ${issuedAt}, outside of the header's ${header.minIssuedAt} to ${header.maxIssuedAt}`);
      }
      const order = index === 0 ? 1 : compareBytes(payment, last.payment);
      if (order < 0) throw new Found("order", index, "payments are not strictly ascending");
      if (order === 0) {
        // As BatchFaults.order has it: along a payment, intervals and sequences both rise.
        if (sequence <= last.sequence) throw new Found("order", index, `the sequence ${sequence} follows ${last.sequence}`);
        if (before < last.end) throw new Found("overlap", index, "the interval overlaps the one before");
      }
      total += charge;
      if (open && order === 0 && open.to === before) {
        open.to = end;
        open.leafCount++;
        open.prefixTotal = total;
      } else {
        close();
        if (stretches === header.channels) throw new Found("stretch", null, `the receipts make more than the ${header.channels} stretches that the header says`);
        stretches++;
        open = { paymentId: bytesToHex(payment), from: before, to: end, firstLeaf: index, leafCount: 1, prefixTotal: total };
      }
      if (order !== 0) last.payment.set(payment);
      last.end = end;
      last.sequence = sequence;
    },
    stretch(stretch: ChannelStretch, index: number): void {
      close();
      open = null;
      if (index >= EXACT_STRETCHES) return void given.update(packed(stretch));
      const wanted = exact[index];
      for (const name of ["paymentId", "from", "to", "firstLeaf", "leafCount", "prefixTotal"] as const) {
        if (wanted?.[name] !== stretch[name]) throw new Found("stretch", index, `its ${name} is ${stretch[name]}, the receipts say ${wanted?.[name]}`);
      }
    },
    end(): void {
      if (stretches !== header.channels) throw new Found("stretch", null, `the receipts make ${stretches} stretches, the header says ${header.channels}`);
      if (compareBytes(derived.digest(), given.digest()) !== 0) throw new Found("stretch", null, `a stretch beyond the first ${EXACT_STRETCHES} is not what the receipts make`);
      if (total !== header.totalCharge) throw new Found("sum", null, `the receipts come to ${total}, the header says ${header.totalCharge}`);
    },
  };
}

function packed({ paymentId, from, to, firstLeaf, leafCount, prefixTotal }: Line): Uint8Array {
  return toBytes(`${paymentId}/${from}/${to}/${firstLeaf}/${leafCount}/${prefixTotal};`);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return a[index]! - b[index]!;
  return 0;
}
