import type { Hex } from "viem";
import { size } from "viem";
import type { ChannelStretch } from "../protocol/index.ts";
import { BATCH_FORMAT, BatchFormatError, FIRST_FORMAT, FLAG_DEFLATE, STRETCH_LENGTH } from "./format.ts";
import { recordLength, type SignedLeaf, writePreamble, writeReceipt, writeStretch } from "./records.ts";
import { chunksOfStream, streamOf } from "./streams.ts";
import { type TermsBook, writeTerms } from "./terms.ts";

export interface BatchContent {
  nodeId: Hex;
  keyId: Hex;
  count: number;
  /** In the order of the receipts tree. */
  leaves: Iterable<SignedLeaf> | AsyncIterable<SignedLeaf>;
  /** Preimages of the receipts' termsHashes; without them the blob is of format 1, and no full node certifies it. */
  book?: TermsBook;
  /** In the order of the channels tree. */
  stretches: readonly ChannelStretch[];
  /** Bytes of each signature, by the key's type: 65, 64 or 256. */
  signatureLength?: number;
  /** Default true. Ids repeat and shrink to nothing; hashes and signatures do not. */
  compress?: boolean;
}

const RECORDS_PER_CHUNK = 1_024;

/** `header.format` of a batch with this content. */
export const formatOf = ({ book }: Pick<BatchContent, "book">): number => (book ? BATCH_FORMAT : FIRST_FORMAT);

/** A blob in pieces, for batches that should not stand in memory. @throws BatchFormatError when content and count disagree. */
export async function* encodeBatchStream(content: BatchContent): AsyncGenerator<Uint8Array> {
  const { nodeId, keyId, count, stretches, book, signatureLength = 65, compress = true } = content;
  const terms = book ? writeTerms(book) : new Uint8Array(0);
  yield writePreamble({ version: formatOf(content), flags: compress ? FLAG_DEFLATE : 0, signatureLength, count, channels: stretches.length, nodeId, keyId, termsLength: terms.length });
  const body = bodyOf(content, signatureLength, terms);
  if (!compress) {
    yield* body;
    return;
  }
  yield* chunksOfStream(streamOf(body).pipeThrough(new CompressionStream("deflate-raw")));
}

/** A whole blob. */
export async function encodeBatch(content: BatchContent): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of encodeBatchStream(content)) {
    chunks.push(chunk);
    length += chunk.length;
  }
  const blob = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    blob.set(chunk, offset);
    offset += chunk.length;
  }
  return blob;
}

async function* bodyOf({ nodeId, keyId, count, leaves, stretches }: BatchContent, signatureLength: number, terms: Uint8Array): AsyncGenerator<Uint8Array> {
  if (terms.length > 0) yield terms;
  const length = recordLength({ signatureLength });
  let chunk = new Uint8Array(Math.min(count, RECORDS_PER_CHUNK) * length);
  let filled = 0;
  let seen = 0;
  for await (const leaf of leaves) {
    if (leaf.receipt.nodeId.toLowerCase() !== nodeId.toLowerCase() || leaf.receipt.keyId.toLowerCase() !== keyId.toLowerCase()) {
      throw new BatchFormatError(`receipt ${seen} is of another node or key`);
    }
    if (size(leaf.signature) !== signatureLength) throw new BatchFormatError(`receipt ${seen} has a signature of ${size(leaf.signature)} bytes, not ${signatureLength}`);
    writeReceipt(chunk, filled * length, leaf);
    seen++;
    if (++filled === RECORDS_PER_CHUNK) {
      yield chunk;
      chunk = new Uint8Array(RECORDS_PER_CHUNK * length);
      filled = 0;
    }
  }
  if (seen !== count) throw new BatchFormatError(`${seen} receipts came, ${count} were announced`);
  if (filled > 0) yield chunk.subarray(0, filled * length);
  const tail = new Uint8Array(stretches.length * STRETCH_LENGTH);
  stretches.forEach((stretch, index) => writeStretch(tail, index * STRETCH_LENGTH, stretch));
  yield tail;
}
