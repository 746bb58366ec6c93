import type { ChannelStretch } from "../protocol/index.ts";
import { BATCH_FORMAT, BatchFormatError, FLAG_DEFLATE, type Preamble, PREAMBLE_LENGTH, preambleLength, STRETCH_LENGTH } from "./format.ts";
import { bodyLength, readPreamble, readReceipt, readStretch, recordLength, type SignedLeaf } from "./records.ts";
import { chunksOfStream, streamOf } from "./streams.ts";
import { readTerms, type TermsBook } from "./terms.ts";

export type BlobSource = Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Records [first, first + count) of the blob, as they stand in it; a terms section is one record. */
export interface RecordChunk {
  kind: "terms" | "receipts" | "stretches";
  first: number;
  count: number;
  bytes: Uint8Array;
}

export interface OpenBatch {
  preamble: Preamble;
  /** The terms section, if there is one, then all receipts' records, then all stretches', in order; to be read once, to its end. */
  chunks(recordsPerChunk?: number): AsyncGenerator<RecordChunk>;
}

/**
 * Reads a blob as it arrives. Memory does not grow with the batch, and a body that inflates beyond what the preamble
 * announces is cut off there.
 * @throws BatchFormatError when the blob is malformed, too short or too long.
 */
export async function openBatch(source: BlobSource): Promise<OpenBatch> {
  const input = chunksOf(source);
  const first = await take(input, PREAMBLE_LENGTH);
  // An unknown version is the preamble's to refuse.
  const longer = first.head[8] === BATCH_FORMAT ? await take(first.rest, preambleLength(BATCH_FORMAT) - PREAMBLE_LENGTH) : { head: new Uint8Array(0), rest: first.rest };
  const preamble = readPreamble(joined(first.head, longer.head));
  const { rest } = longer;
  const body = preamble.flags & FLAG_DEFLATE ? inflate(rest) : rest;
  return { preamble, chunks: (recordsPerChunk = 1_024) => records(body, preamble, recordsPerChunk) };
}

export interface DecodedBatch {
  preamble: Preamble;
  /** Null in format 1. */
  book: TermsBook | null;
  leaves: SignedLeaf[];
  stretches: ChannelStretch[];
}

/** A whole batch in memory. @param limit Receipts above which it is refused; stream those. */
export async function decodeBatch(source: BlobSource, limit = 100_000): Promise<DecodedBatch> {
  const { preamble, chunks } = await openBatch(source);
  if (preamble.count > limit) throw new BatchFormatError(`${preamble.count} receipts are more than the ${limit} that are read at once`);
  const leaves: SignedLeaf[] = [];
  const stretches: ChannelStretch[] = [];
  let book: TermsBook | null = null;
  for await (const { kind, count, bytes } of chunks()) {
    if (kind === "terms") book = readTerms(bytes);
    else for (let index = 0; index < count; index++) {
      if (kind === "receipts") leaves.push(readReceipt(bytes, index * recordLength(preamble), preamble));
      else stretches.push(readStretch(bytes, index * STRETCH_LENGTH));
    }
  }
  return { preamble, book, leaves, stretches };
}

async function* records(body: AsyncIterable<Uint8Array>, preamble: Preamble, perChunk: number): AsyncGenerator<RecordChunk> {
  const announced = bodyLength(preamble);
  const parts = [
    ...(preamble.termsLength > 0 ? [{ kind: "terms" as const, length: preamble.termsLength, total: 1 }] : []),
    { kind: "receipts" as const, length: recordLength(preamble), total: preamble.count },
    { kind: "stretches" as const, length: STRETCH_LENGTH, total: preamble.channels },
  ];
  let part = 0;
  let first = 0;
  let seen = 0;
  let buffer = new Uint8Array(parts[0]!.length * Math.min(perChunk, parts[0]!.total));
  let filled = 0;
  for await (const piece of guarded(body)) {
    seen += piece.length;
    if (seen > announced) throw new BatchFormatError(`the body is longer than the ${announced} bytes that the preamble announces`);
    for (let offset = 0; offset < piece.length; ) {
      const step = Math.min(buffer.length - filled, piece.length - offset);
      buffer.set(piece.subarray(offset, offset + step), filled);
      filled += step;
      offset += step;
      if (filled < buffer.length) continue;
      const { kind, length, total } = parts[part]!;
      const count = buffer.length / length;
      yield { kind, first, count, bytes: buffer };
      first += count;
      if (first === total) {
        part++;
        first = 0;
      }
      const next = parts[part];
      // A fresh buffer each time: the consumer may have given the last one away, to another thread.
      buffer = new Uint8Array(next ? next.length * Math.min(perChunk, next.total - first) : 0);
      filled = 0;
    }
  }
  if (seen !== announced) throw new BatchFormatError(`the body has ${seen} bytes; the preamble announces ${announced}`);
}

async function* guarded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw error instanceof BatchFormatError ? error : new BatchFormatError(`the body cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function inflate(input: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return chunksOfStream(streamOf(input).pipeThrough(new DecompressionStream("deflate-raw")));
}

async function* chunksOf(source: BlobSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) yield source;
  else yield* source;
}

/** The first bytes, and everything behind them. */
async function take(input: AsyncGenerator<Uint8Array>, length: number): Promise<{ head: Uint8Array; rest: AsyncGenerator<Uint8Array> }> {
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < length) {
    const { value, done } = await input.next();
    if (done) break;
    head = joined(head, value);
  }
  const remainder = head.subarray(length);
  async function* rest() {
    if (remainder.length > 0) yield remainder;
    yield* input;
  }
  return { head: head.subarray(0, length), rest: rest() };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
