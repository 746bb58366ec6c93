import { type Hex, isHex, size } from "viem";
import { Outcome } from "../protocol/enums.ts";
import type { InferenceReceipt } from "../protocol/receipt.ts";

/** What an answer's `opengradient` object holds; docs/engineer/gateway.md. */
export interface SignedReceipt {
  receipt: InferenceReceipt;
  /** By the key of `receipt.keyId`, over the receipt's digest. */
  signature: Hex;
  /** Opens requestHash and responseHash. */
  salt: Hex;
  /** Codes of sdk/protocol/commitments.ts. */
  response: { kind: number; finish: number };
}

const BYTES32 = ["nodeId", "keyId", "modelId", "termsHash", "requestHash", "responseHash", "paymentId"] as const;
const INTEGERS = [
  ["cumulativeBefore", 128],
  ["charge", 128],
  ["inputUnits", 64],
  ["outputUnits", 64],
  ["sequence", 64],
  ["issuedAt", 64],
] as const;

/** A receipt that is not of the stated form: which field, and what was expected. */
export class ReceiptFormatError extends Error {
  readonly code = "RECEIPT_FORMAT";
  constructor(field: string, expected: string) {
    super(`the answer's receipt has no valid "${field}": expected ${expected}`);
    this.name = "ReceiptFormatError";
  }
}

/** JSON form of a receipt: every integer a decimal string, `outcome` a number. */
export function receiptToJson(receipt: InferenceReceipt): Record<string, string | number> {
  return Object.fromEntries(Object.entries(receipt).map(([name, value]) => [name, typeof value === "bigint" ? value.toString() : value]));
}

/** @throws ReceiptFormatError naming the first field that is missing, malformed or out of range. */
export function receiptFromJson(value: unknown): InferenceReceipt {
  const fields = record(value, "receipt");
  const receipt: Record<string, unknown> = {};
  for (const name of BYTES32) receipt[name] = hex(fields[name], name, 32);
  for (const [name, bits] of INTEGERS) receipt[name] = integer(fields[name], name, bits);
  if (!Object.values(Outcome).includes(fields.outcome as never)) throw new ReceiptFormatError("outcome", "1, 2 or 3");
  receipt.outcome = fields.outcome;
  return receipt as unknown as InferenceReceipt;
}

/** @throws ReceiptFormatError */
export function signedReceiptFromJson(value: unknown): SignedReceipt {
  const fields = record(value, "opengradient");
  const response = record(fields.response, "response");
  return {
    receipt: receiptFromJson(fields.receipt),
    signature: hex(fields.signature, "signature"),
    salt: hex(fields.salt, "salt", 32),
    response: { kind: Number(integer(String(response.kind), "response.kind", 8)), finish: Number(integer(String(response.finish), "response.finish", 8)) },
  };
}

function record(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new ReceiptFormatError(field, "an object");
  return value as Record<string, unknown>;
}

function hex(value: unknown, field: string, bytes?: number): Hex {
  if (typeof value !== "string" || !isHex(value) || value.length % 2 !== 0 || (bytes !== undefined && size(value) !== bytes)) {
    throw new ReceiptFormatError(field, bytes === undefined ? "0x-prefixed hexadecimal bytes" : `${bytes} bytes as 0x-prefixed hexadecimal`);
  }
  return value.toLowerCase() as Hex;
}

function integer(value: unknown, field: string, bits: number): bigint {
  if (typeof value !== "string" || !/^(0|[1-9]\d{0,38})$/.test(value) || BigInt(value) >= 1n << BigInt(bits)) {
    throw new ReceiptFormatError(field, `a decimal string below 2^${bits}`);
  }
  return BigInt(value);
}
