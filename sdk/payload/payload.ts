/**
 * The sealed payload of an individual settlement, format 1: request and answer of one receipt, readable by whoever holds the
 * payer's key and by nobody else. docs/engineer/sealed-payload.md.
 */
import { x25519 } from "@noble/curves/ed25519.js";
import { type Hex, bytesToHex, hexToBytes, isHex, size } from "viem";
import { canonicalJson, requestHash, responseHash } from "../protocol/commitments.ts";
import type { InferenceReceipt } from "../protocol/receipt.ts";
import { hpkeOpen, hpkeSeal } from "./hpke.ts";

/** "OGSEAL" and the format's number as two bytes. */
const MAGIC = Uint8Array.of(0x4f, 0x47, 0x53, 0x45, 0x41, 0x4c, 0x00, 0x01);
const INFO = new TextEncoder().encode("opengradient sealed payload v1");
const HEAD = MAGIC.length + 32;

/** What is sealed: enough to check the receipt's two commitments. */
export interface SealedContent {
  /** Canonical request, as requestHash commits to it. */
  request: unknown;
  /** The answer, as responseHash commits to it. */
  response: { kind: number; finish: number; content: string };
  /** Salt of both commitments, 32 bytes. */
  salt: Hex;
}

export class PayloadError extends Error {
  readonly code: "PAYLOAD_FORMAT" | "PAYLOAD_KEY" | "PAYLOAD_RECEIPT";
  constructor(code: PayloadError["code"], message: string) {
    super(message);
    this.name = "PayloadError";
    this.code = code;
  }
}

/** A fresh key pair of a payer, 32 bytes each in hex. */
export function payloadKeyPair(): { secretKey: Hex; publicKey: Hex } {
  const secretKey = x25519.utils.randomSecretKey();
  return { secretKey: bytesToHex(secretKey), publicKey: bytesToHex(x25519.getPublicKey(secretKey)) };
}

/** @param digest The receipt's digest: bound in, so that a payload cannot be shown for another receipt. */
export async function sealPayload(recipient: Hex, digest: Hex, content: SealedContent): Promise<Uint8Array> {
  const key = hexToBytes(recipient);
  if (key.length !== 32) throw new PayloadError("PAYLOAD_KEY", `An X25519 public key has 32 bytes, not ${key.length}.`);
  const head = new Uint8Array(HEAD);
  head.set(MAGIC);
  head.set(hexToBytes(digest), MAGIC.length);
  let sealed: Uint8Array;
  try {
    sealed = await hpkeSeal(key, new TextEncoder().encode(canonicalJson(content)), { info: INFO, aad: head });
  } catch (error) {
    throw new PayloadError("PAYLOAD_KEY", `Nothing can be sealed to this key: ${error instanceof Error ? error.message : String(error)}.`);
  }
  const out = new Uint8Array(HEAD + sealed.length);
  out.set(head);
  out.set(sealed, HEAD);
  return out;
}

/** @throws PayloadError PAYLOAD_FORMAT also when what was sealed has another shape, PAYLOAD_RECEIPT when it is of another receipt, PAYLOAD_KEY when this key does not open it. */
export async function openPayload(secretKey: Hex, digest: Hex, bytes: Uint8Array): Promise<SealedContent> {
  if (bytes.length < HEAD || MAGIC.some((byte, index) => bytes[index] !== byte)) throw new PayloadError("PAYLOAD_FORMAT", "This is no sealed payload of format 1.");
  const head = bytes.subarray(0, HEAD);
  if (bytesToHex(head.subarray(MAGIC.length)) !== digest.toLowerCase()) throw new PayloadError("PAYLOAD_RECEIPT", "The payload is of another receipt.");
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await hpkeOpen(hexToBytes(secretKey), bytes.subarray(HEAD), { info: INFO, aad: head }));
  } catch (error) {
    throw new PayloadError("PAYLOAD_KEY", error instanceof Error ? error.message : String(error));
  }
  const content = contentIn(text);
  if (!content) throw new PayloadError("PAYLOAD_FORMAT", "The payload opens, but to no request, response and salt.");
  return content;
}

function contentIn(text: string): SealedContent | null {
  try {
    const { request, response, salt } = JSON.parse(text) as SealedContent;
    const { kind, finish, content } = response;
    const whole = request !== undefined && [kind, finish].every(isByte) && typeof content === "string" && isHex(salt) && size(salt) === 32;
    return whole ? { request, response: { kind, finish, content }, salt } : null;
  } catch {
    return null;
  }
}

const isByte = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255;

/** Whether an opened payload is what the receipt commits to. */
export function payloadMatches(receipt: Pick<InferenceReceipt, "requestHash" | "responseHash">, { request, response, salt }: SealedContent): { request: boolean; response: boolean } {
  return {
    request: requestHash(salt, request) === receipt.requestHash.toLowerCase(),
    response: responseHash(salt, response.kind, response.finish, response.content) === receipt.responseHash.toLowerCase(),
  };
}
