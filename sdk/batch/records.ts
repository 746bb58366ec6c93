/** Records of the batch format to and from the protocol's shapes. */
import { type Address, type Hex, bytesToHex, getAddress, hexToBytes } from "viem";
import type { ChannelStretch, InferenceReceipt } from "../protocol/index.ts";
import {
  AT, BATCH_FORMAT, BatchFormatError, FIRST_FORMAT, FLAG_DEFLATE, MAGIC, MAX_TERMS_BYTES, type Preamble, PREAMBLE_LENGTH, preambleLength, RECEIPT_LENGTH, SIGNATURE_LENGTHS, STRETCH_LENGTH,
} from "./format.ts";
import { readInteger, writeInteger } from "./numbers.ts";

export interface SignedLeaf {
  receipt: InferenceReceipt;
  signature: Hex;
}

export function writePreamble({ version, flags, signatureLength, count, channels, nodeId, keyId, termsLength }: Preamble): Uint8Array {
  const out = new Uint8Array(preambleLength(version));
  out.set(MAGIC);
  out[8] = version;
  out[9] = flags;
  const view = new DataView(out.buffer);
  view.setUint16(10, signatureLength);
  view.setUint32(12, count);
  view.setUint32(16, channels);
  out.set(hexToBytes(nodeId), 20);
  out.set(hexToBytes(keyId), 52);
  if (version !== FIRST_FORMAT) view.setUint32(PREAMBLE_LENGTH, termsLength);
  return out;
}

/** @param bytes `preambleLength` of the version that its ninth byte names. @throws BatchFormatError */
export function readPreamble(bytes: Uint8Array): Preamble {
  if (bytes.length < PREAMBLE_LENGTH) throw new BatchFormatError(`the blob has ${bytes.length} bytes; the preamble alone has ${PREAMBLE_LENGTH}`);
  if (MAGIC.some((byte, index) => bytes[index] !== byte)) throw new BatchFormatError("the blob does not begin with OGBATCH");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const preamble: Preamble = {
    version: bytes[8]!,
    flags: bytes[9]!,
    signatureLength: view.getUint16(10),
    count: view.getUint32(12),
    channels: view.getUint32(16),
    nodeId: bytesToHex(bytes.subarray(20, 52)),
    keyId: bytesToHex(bytes.subarray(52, 84)),
    termsLength: 0,
  };
  const { version } = preamble;
  if (version < FIRST_FORMAT || version > BATCH_FORMAT) throw new BatchFormatError(`format ${version} is not known; this reader knows ${FIRST_FORMAT} to ${BATCH_FORMAT}`);
  if (bytes.length < preambleLength(version)) throw new BatchFormatError(`the blob has ${bytes.length} bytes; the preamble of format ${version} alone has ${preambleLength(version)}`);
  if (version !== FIRST_FORMAT) preamble.termsLength = view.getUint32(PREAMBLE_LENGTH);
  if (preamble.termsLength > MAX_TERMS_BYTES) throw new BatchFormatError(`a terms section of ${preamble.termsLength} bytes is longer than ${MAX_TERMS_BYTES}`);
  if ((preamble.flags & ~FLAG_DEFLATE) !== 0) throw new BatchFormatError(`the flags ${preamble.flags} are not known`);
  if (!SIGNATURE_LENGTHS.has(preamble.signatureLength)) throw new BatchFormatError(`signatures of ${preamble.signatureLength} bytes are not known`);
  if (preamble.count === 0) throw new BatchFormatError("a batch has at least one receipt");
  if (preamble.channels === 0 || preamble.channels > preamble.count) throw new BatchFormatError(`${preamble.channels} stretches cannot cover ${preamble.count} receipts`);
  return preamble;
}

/** @throws RangeError when a number does not fit its field. */
export function writeReceipt(out: Uint8Array, offset: number, { receipt, signature }: SignedLeaf): void {
  out.set(hexToBytes(receipt.modelId), offset + AT.modelId);
  out.set(hexToBytes(receipt.termsHash), offset + AT.termsHash);
  out.set(hexToBytes(receipt.requestHash), offset + AT.requestHash);
  out.set(hexToBytes(receipt.responseHash), offset + AT.responseHash);
  out.set(hexToBytes(receipt.paymentId), offset + AT.paymentId);
  writeInteger(out, offset + AT.cumulativeBefore, receipt.cumulativeBefore, 16);
  writeInteger(out, offset + AT.charge, receipt.charge, 16);
  writeInteger(out, offset + AT.inputUnits, receipt.inputUnits, 8);
  writeInteger(out, offset + AT.outputUnits, receipt.outputUnits, 8);
  writeInteger(out, offset + AT.sequence, receipt.sequence, 8);
  writeInteger(out, offset + AT.issuedAt, receipt.issuedAt, 8);
  writeInteger(out, offset + AT.outcome, BigInt(receipt.outcome), 1);
  out.set(hexToBytes(signature), offset + AT.signature);
}

export function readReceipt(bytes: Uint8Array, offset: number, { nodeId, keyId, signatureLength }: Pick<Preamble, "nodeId" | "keyId" | "signatureLength">): SignedLeaf {
  const word = (at: number) => bytesToHex(bytes.subarray(offset + at, offset + at + 32));
  return {
    receipt: {
      nodeId,
      keyId,
      modelId: word(AT.modelId),
      termsHash: word(AT.termsHash),
      requestHash: word(AT.requestHash),
      responseHash: word(AT.responseHash),
      paymentId: word(AT.paymentId),
      cumulativeBefore: readInteger(bytes, offset + AT.cumulativeBefore, 16),
      charge: readInteger(bytes, offset + AT.charge, 16),
      inputUnits: readInteger(bytes, offset + AT.inputUnits, 8),
      outputUnits: readInteger(bytes, offset + AT.outputUnits, 8),
      sequence: readInteger(bytes, offset + AT.sequence, 8),
      issuedAt: readInteger(bytes, offset + AT.issuedAt, 8),
      outcome: bytes[offset + AT.outcome]!,
    },
    signature: bytesToHex(bytes.subarray(offset + RECEIPT_LENGTH, offset + RECEIPT_LENGTH + signatureLength)),
  };
}

export function writeStretch(out: Uint8Array, offset: number, stretch: ChannelStretch): void {
  writeInteger(out, offset, stretch.paymentChainId, 8);
  out.set(hexToBytes(stretch.escrow), offset + 8);
  out.set(hexToBytes(stretch.paymentId), offset + 28);
  writeInteger(out, offset + 60, stretch.from, 16);
  writeInteger(out, offset + 76, stretch.to, 16);
  writeInteger(out, offset + 92, BigInt(stretch.firstLeaf), 4);
  writeInteger(out, offset + 96, BigInt(stretch.leafCount), 4);
  writeInteger(out, offset + 100, stretch.prefixTotal, 16);
}

export function readStretch(bytes: Uint8Array, offset = 0): ChannelStretch {
  return {
    paymentChainId: readInteger(bytes, offset, 8),
    escrow: getAddress(bytesToHex(bytes.subarray(offset + 8, offset + 28))) as Address,
    paymentId: bytesToHex(bytes.subarray(offset + 28, offset + 60)),
    from: readInteger(bytes, offset + 60, 16),
    to: readInteger(bytes, offset + 76, 16),
    firstLeaf: Number(readInteger(bytes, offset + 92, 4)),
    leafCount: Number(readInteger(bytes, offset + 96, 4)),
    prefixTotal: readInteger(bytes, offset + 100, 16),
  };
}

export const recordLength = ({ signatureLength }: Pick<Preamble, "signatureLength">): number => RECEIPT_LENGTH + signatureLength;

/** Length of the body, before compression. */
export const bodyLength = (preamble: Pick<Preamble, "signatureLength" | "count" | "channels" | "termsLength">): number =>
  preamble.termsLength + preamble.count * recordLength(preamble) + preamble.channels * STRETCH_LENGTH;
