/** The bytes of `settleRun`, layout 1. IInferenceSettlement has the table; `HEAD`, `STRETCH` and `ITEM` are its rows. */
import { type Address, type Hex, concatHex, getAddress, hexToBigInt, isHex, numberToHex, size, sliceHex } from "viem";
import type { Run, RunItem, RunStretch } from "./run.ts";

/** The bytes are not those of a run, or the run does not fit into them. */
export class RunEncodingError extends Error {
  override readonly name = "RunEncodingError";
}

type Kind = "bytes" | "address" | "number" | "bigint";
type Field = readonly [name: string, bytes: number, kind: Kind];
type Values = Record<string, Hex | number | bigint>;

const LAYOUT = 1;
const HEAD: readonly Field[] = [
  ["layout", 1, "number"], ["stretches", 2, "number"], ["count", 4, "number"], ["signatureLength", 2, "number"], ["slot", 4, "number"],
  ["nodeId", 32, "bytes"], ["payout", 20, "address"], ["settlementMode", 1, "number"], ["verification", 1, "number"], ["tariffHash", 32, "bytes"],
  ["policyId", 32, "bytes"], ["royaltyTo", 20, "address"], ["royaltyBps", 2, "number"], ["feeBpsCap", 2, "number"], ["inbox", 20, "address"],
  ["keyId", 32, "bytes"], ["modelId", 32, "bytes"],
];
const STRETCH: readonly Field[] = [
  ["paymentId", 32, "bytes"], ["paymentChainId", 8, "bigint"], ["escrow", 20, "address"], ["count", 4, "number"], ["cumulativeBefore", 16, "bigint"], ["sequence", 8, "bigint"],
];
const ITEM: readonly Field[] = [
  ["requestHash", 32, "bytes"], ["responseHash", 32, "bytes"], ["charge", 16, "bigint"], ["inputUnits", 8, "bigint"], ["outputUnits", 8, "bigint"], ["issuedAt", 8, "bigint"],
  ["outcome", 1, "number"], ["place", 2, "number"],
];

const lengthOf = (fields: readonly Field[]): number => fields.reduce((sum, [, bytes]) => sum + bytes, 0);
const [HEAD_BYTES, STRETCH_BYTES, ITEM_BYTES] = [lengthOf(HEAD), lengthOf(STRETCH), lengthOf(ITEM)];

/** @throws RunEncodingError if a value is wider than its field, signatures differ in length, or the counts contradict each other. */
export function encodeRun(run: Run): Hex {
  const { terms, keyId, modelId, slot, stretches, signature, items } = run;
  const count = stretches.reduce((sum, stretch) => sum + stretch.count, 0);
  if (count !== items.length) throw new RunEncodingError(`the stretches cover ${count} receipts, the run has ${items.length}`);
  if (size(signature) === 0 || items.some((item) => size(item.signature) !== size(signature))) throw new RunEncodingError("all signatures of a run have one length, not 0");
  const head = { ...terms, layout: LAYOUT, stretches: stretches.length, count, signatureLength: size(signature), slot, keyId, modelId };
  return concatHex([
    pack(HEAD, head), signature, ...stretches.map((stretch) => pack(STRETCH, { ...stretch })), ...items.flatMap((item) => [pack(ITEM, { ...item }), item.signature]),
  ]);
}

/** Reads exactly what `encodeRun` writes. @throws RunEncodingError for anything else. */
export function decodeRun(bytes: Hex): Run {
  if (!isHex(bytes) || bytes.length % 2 !== 0) throw new RunEncodingError("a run is whole bytes in hexadecimal");
  if (size(bytes) < HEAD_BYTES) throw new RunEncodingError(`${size(bytes)} bytes are fewer than the ${HEAD_BYTES} that a run begins with`);
  const { layout, stretches: channels, count, signatureLength, slot, keyId, modelId, ...terms } = unpack(HEAD, bytes, 0) as unknown as Run["terms"] & Head;
  if (layout !== LAYOUT) throw new RunEncodingError(`layout ${layout} is not known; this reader knows ${LAYOUT}`);
  if (channels === 0 || count === 0 || signatureLength === 0) throw new RunEncodingError("a run has at least one stretch, one receipt and signatures");
  const first = HEAD_BYTES + signatureLength + channels * STRETCH_BYTES;
  const stride = ITEM_BYTES + signatureLength;
  const expected = first + count * stride;
  if (size(bytes) !== expected) throw new RunEncodingError(`${channels} stretches and ${count} receipts take ${expected} bytes, not ${size(bytes)}`);

  const part = (from: number): Hex => sliceHex(bytes, from, from + signatureLength);
  const stretches = Array.from({ length: channels }, (_, i) => unpack(STRETCH, bytes, HEAD_BYTES + signatureLength + i * STRETCH_BYTES) as unknown as RunStretch);
  const covered = stretches.reduce((sum, stretch) => sum + stretch.count, 0);
  if (covered !== count) throw new RunEncodingError(`the stretches cover ${covered} receipts, the run says ${count}`);
  const items = Array.from({ length: count }, (_, i) => {
    const at = first + i * stride;
    return { ...unpack(ITEM, bytes, at), signature: part(at + ITEM_BYTES) } as unknown as RunItem;
  });
  return { terms, keyId, modelId, slot, stretches, signature: part(HEAD_BYTES), items };
}

interface Head {
  layout: number;
  stretches: number;
  count: number;
  signatureLength: number;
  slot: number;
  keyId: Hex;
  modelId: Hex;
}

function pack(fields: readonly Field[], values: object): Hex {
  return concatHex(fields.map(([name, bytes, kind]) => {
    const value = (values as Values)[name]!;
    if (kind === "bytes" || kind === "address") {
      if (typeof value !== "string" || !isHex(value) || size(value) !== bytes) throw new RunEncodingError(`${name} takes ${bytes} bytes, not ${String(value)}`);
      return value.toLowerCase() as Hex; // addresses come with a checksum's capitals
    }
    const number = BigInt(value);
    if (number < 0n || number >= 1n << BigInt(8 * bytes)) throw new RunEncodingError(`${name} takes ${bytes} bytes, ${number} does not fit`);
    return numberToHex(number, { size: bytes });
  }));
}

function unpack(fields: readonly Field[], bytes: Hex, at: number): Values {
  const values: Values = {};
  for (const [name, length, kind] of fields) {
    const slice = sliceHex(bytes, at, at + length);
    values[name] = kind === "bytes" ? slice : kind === "address" ? getAddress(slice as Address) : kind === "number" ? Number(slice) : hexToBigInt(slice);
    at += length;
  }
  return values;
}
