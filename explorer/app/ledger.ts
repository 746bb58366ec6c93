/** Full nodes' doors. What they say is a hint or a proof to check, never a fact. */
import type { Hex } from "viem";
import { type InferenceReceipt } from "../../sdk/protocol/index.ts";
import { receiptFromJson } from "../../sdk/receipts/wire.ts";
import { reasonOf } from "./format.ts";
import type { Net } from "./net.ts";

/** An inclusion proof as a full node gives it: nothing in it is checked yet but its form. */
export interface ClaimedReceipt {
  /** Door that gave it. */
  ledger: string;
  header: Hex;
  /** Block in which the header is said to stand. */
  block: bigint | undefined;
  index: number;
  receipt: InferenceReceipt;
  signature: Hex;
  path: Hex[];
}

export interface LedgerMiss {
  ledger: string;
  reason: string;
}

const MAX_BYTES = 4 * 1024 * 1024;
const MAX_DEPTH = 32;
const TIMEOUT_MS = 10_000;
const HASH = /^0x[0-9a-f]{64}$/;
const SIGNATURE = /^0x([0-9a-f]{2}){1,512}$/;

/** Asks each door in turn until one gives what `read` takes. */
export async function askLedgers<T>(net: Net, path: string, read: (json: unknown, ledger: string) => T, signal?: AbortSignal): Promise<{ value: T | null; misses: LedgerMiss[] }> {
  const misses: LedgerMiss[] = [];
  for (const ledger of net.ledgers) {
    try {
      return { value: read(await getJson(net, `${ledger}${path}`, signal), ledger), misses };
    } catch (error) {
      signal?.throwIfAborted();
      misses.push({ ledger, reason: reasonOf(error) });
    }
  }
  return { value: null, misses };
}

/** A receipt by its digest, or by its place in a header. */
export function claimedReceipt(net: Net, where: { digest: Hex } | { header: Hex; index: number }, signal?: AbortSignal): Promise<{ value: ClaimedReceipt | null; misses: LedgerMiss[] }> {
  const path = "digest" in where ? `/ledger/receipts/${where.digest}` : `/ledger/headers/${where.header}/receipts/${where.index}`;
  return askLedgers(net, path, (json, ledger) => readClaim(json, ledger), signal);
}

/** Receipts of a payment, as one full node knows them. @throws Error for another form. */
export async function receiptsOfPayment(net: Net, paymentId: Hex, signal?: AbortSignal): Promise<{ rows: { header: Hex; index: number; receipt: InferenceReceipt }[]; misses: LedgerMiss[] }> {
  const { value, misses } = await askLedgers(net, `/ledger/payments/${paymentId}`, (json) => {
    const { receipts } = fields(json);
    if (!Array.isArray(receipts) || receipts.length > 500) throw new Error("its list of receipts has another form");
    return receipts.map((item: unknown) => {
      const { header, index, receipt } = fields(item);
      return { header: hash(header, "header"), index: place(index), receipt: receiptFromJson(receipt) };
    });
  }, signal);
  return { rows: value ?? [], misses };
}

/** Block in which a ledger says that a header was posted: a hint that spares a search. */
export async function blockOf(net: Net, header: Hex, signal?: AbortSignal): Promise<bigint | undefined> {
  const { value } = await askLedgers(net, `/ledger/headers/${header}`, (json) => block(fields(json).postedBlock), signal);
  return value ?? undefined;
}

/** @throws Error naming what has another form. */
export function readClaim(json: unknown, ledger: string): ClaimedReceipt {
  const { header, index, receipt, signature, path, batch } = fields(json);
  if (!Array.isArray(path) || path.length > MAX_DEPTH || !path.every((node) => typeof node === "string" && HASH.test(node))) throw new Error("its path is no list of hashes");
  if (typeof signature !== "string" || !SIGNATURE.test(signature)) throw new Error("its signature is no hexadecimal text");
  return {
    ledger, header: hash(header, "header"), index: place(index), receipt: receiptFromJson(receipt), signature: signature as Hex, path: path as Hex[],
    block: typeof batch === "object" && batch !== null ? block((batch as { postedBlock?: unknown }).postedBlock) : undefined,
  };
}

async function getJson(net: Net, url: string, signal?: AbortSignal): Promise<unknown> {
  const deadline = AbortSignal.timeout(TIMEOUT_MS);
  const response = await net.fetch(url, { redirect: "error", credentials: "omit", referrerPolicy: "no-referrer", signal: signal ? AbortSignal.any([signal, deadline]) : deadline });
  if (response.status === 404) throw new Error("does not have it");
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ; ) {
    const { value, done } = await reader.read();
    if (done) return JSON.parse(text + decoder.decode()) as unknown;
    size += value.length;
    if (size > MAX_BYTES) {
      await reader.cancel();
      throw new Error(`its answer is longer than ${MAX_BYTES} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}

function fields(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("its answer is no object");
  return value as Record<string, unknown>;
}

function hash(value: unknown, name: string): Hex {
  if (typeof value !== "string" || !HASH.test(value.toLowerCase())) throw new Error(`its ${name} is no hash`);
  return value.toLowerCase() as Hex;
}

function place(value: unknown): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new Error("its index is no place in a tree");
  return value;
}

function block(value: unknown): bigint | undefined {
  return (typeof value === "string" && /^\d{1,18}$/.test(value)) || (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) ? BigInt(value) : undefined;
}
