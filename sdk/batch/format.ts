/** The layout of a batch blob, formats 1 and 2; docs/engineer/batch-format.md. All numbers are big-endian. */
import type { Hex } from "viem";

/** What is written: format 2 carries the terms behind the receipts. */
export const BATCH_FORMAT = 2;
/** Still read: receipts and stretches only. */
export const FIRST_FORMAT = 1;
/** "OGBATCH" and a zero byte. */
export const MAGIC = Uint8Array.of(0x4f, 0x47, 0x42, 0x41, 0x54, 0x43, 0x48, 0x00);
/** Of format 1; format 2 adds the length of its terms section. */
export const PREAMBLE_LENGTH = 84;
export const preambleLength = (version: number): number => (version === FIRST_FORMAT ? PREAMBLE_LENGTH : PREAMBLE_LENGTH + 4);
/** Body is a raw DEFLATE stream (RFC 1951). */
export const FLAG_DEFLATE = 1;

/** Bytes of a receipt's record without its signature. */
export const RECEIPT_LENGTH = 225;
export const STRETCH_LENGTH = 116;
export const TERMS_LENGTH = 162;
/** Of a tariff without its prices. */
export const TARIFF_LENGTH = 30;
export const PRICE_LENGTH = 96;
/** Longest terms section: about ten thousand prices. */
export const MAX_TERMS_BYTES = 1 << 20;
/** Signatures of secp256k1, P-256 and RSA-2048 keys. */
export const SIGNATURE_LENGTHS: ReadonlySet<number> = new Set([64, 65, 256]);

/** Where the fields of a receipt's record begin. nodeId and keyId stand once, in the preamble. */
export const AT = {
  modelId: 0, termsHash: 32, requestHash: 64, responseHash: 96, paymentId: 128,
  cumulativeBefore: 160, charge: 176, inputUnits: 192, outputUnits: 200, sequence: 208, issuedAt: 216, outcome: 224, signature: 225,
} as const;

/** The first bytes of a blob. */
export interface Preamble {
  version: number;
  flags: number;
  signatureLength: number;
  count: number;
  channels: number;
  nodeId: Hex;
  keyId: Hex;
  /** Bytes of the terms section; 0 in format 1. */
  termsLength: number;
}

/** The blob is not of the stated form: where, and what was expected. */
export class BatchFormatError extends Error {
  readonly code = "BATCH_FORMAT";
  constructor(message: string) {
    super(message);
    this.name = "BatchFormatError";
  }
}
