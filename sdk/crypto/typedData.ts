import { type Address, type Hex, bytesToHex, concatBytes, domainSeparator, hashTypedData, hexToBytes, keccak256, toBytes } from "viem";

/** EIP-712 typed data as viem takes it. */
export interface TypedData {
  domain: Record<string, unknown>;
  types: Record<string, readonly { name: string; type: string }[]>;
  primaryType: string;
  message: object;
}

type Write = (value: unknown, out: Uint8Array, at: number) => void;
interface Layout {
  typeHash: Uint8Array;
  fields: readonly { name: string; write: Write }[];
}

/** Layouts by the types object: callers keep theirs in a constant. */
const layouts = new WeakMap<object, Map<string, Layout | undefined>>();
const separators = new Map<string, Uint8Array>();
/** Domains that one process meets are few; a peer that makes up new ones must not fill the memory. */
const MAX_SEPARATORS = 256;

/**
 * The EIP-712 digest. Structs of static values, which vouchers, Acks and receipts are, are hashed from a prepared layout; every other
 * type goes through viem. The results are equal.
 * @throws Error when a value does not fit its type.
 */
export function typedDataDigest({ domain, types, primaryType, message }: TypedData): Uint8Array {
  const layout = layoutOf(types, primaryType);
  if (!layout) return hexToBytes(hashTypedData({ domain, types, primaryType, message } as never));
  const encoded = new Uint8Array(32 * (layout.fields.length + 1));
  encoded.set(layout.typeHash);
  layout.fields.forEach(({ name, write }, index) => write((message as Record<string, unknown>)[name], encoded, 32 * (index + 1)));
  return keccak256(concatBytes([PREFIX, separatorOf(domain), keccak256(encoded, "bytes")]), "bytes");
}

/** The same as hexadecimal. */
export function typedDataHash(data: TypedData): Hex {
  return bytesToHex(typedDataDigest(data));
}

const PREFIX = new Uint8Array([0x19, 0x01]);

function separatorOf(domain: Record<string, unknown>): Uint8Array {
  const { name, version, chainId, verifyingContract, salt } = domain;
  const key = JSON.stringify([name, version, String(chainId), verifyingContract, salt, Object.keys(domain).length]);
  let separator = separators.get(key);
  if (!separator) {
    if (separators.size >= MAX_SEPARATORS) separators.clear();
    separator = hexToBytes(domainSeparator({ domain: domain as never }));
    separators.set(key, separator);
  }
  return separator;
}

function layoutOf(types: TypedData["types"], primaryType: string): Layout | undefined {
  let byName = layouts.get(types);
  if (!byName) layouts.set(types, (byName = new Map()));
  if (!byName.has(primaryType)) byName.set(primaryType, makeLayout(types, primaryType));
  return byName.get(primaryType);
}

function makeLayout(types: TypedData["types"], primaryType: string): Layout | undefined {
  const fields = (types[primaryType] ?? []).map(({ name, type }) => ({ name, write: writerOf(type) }));
  if (fields.length === 0 || fields.some(({ write }) => write === undefined)) return undefined;
  const text = `${primaryType}(${types[primaryType]!.map(({ name, type }) => `${type} ${name}`).join(",")})`;
  return { typeHash: keccak256(toBytes(text), "bytes"), fields: fields as Layout["fields"] };
}

function writerOf(type: string): Write | undefined {
  if (type === "address") return (value, out, at) => writeHex(value as Address, 20, out, at + 12);
  if (type === "bytes32") return (value, out, at) => writeHex(value as Hex, 32, out, at);
  if (type === "bool") return (value, out, at) => void (out[at + 31] = value === true ? 1 : 0);
  const bits = /^uint(\d+)$/.exec(type)?.[1];
  return bits === undefined ? undefined : (value, out, at) => writeUint(value, Number(bits), out, at);
}

function writeHex(value: unknown, length: number, out: Uint8Array, at: number): void {
  if (typeof value !== "string" || value.length !== 2 + 2 * length) throw new TypeError(`${String(value)} is not ${length} bytes`);
  out.set(hexToBytes(value as Hex), at);
}

function writeUint(value: unknown, bits: number, out: Uint8Array, at: number): void {
  let rest = BigInt(value as bigint);
  if (rest < 0n || rest >> BigInt(bits) !== 0n) throw new RangeError(`${rest} does not fit uint${bits}`);
  for (let i = 31; rest > 0n; i--, rest >>= 8n) out[at + i] = Number(rest & 0xffn);
}
