/**
 * A strict reader of CBOR (RFC 8949), the counterpart of contracts/attestation/cbor/Cbor.sol: same limits, same reasons.
 *
 * `strict` demands the shortest form of every number. Signed content is read strictly; the envelope, which nobody signs
 * and which may be re-encoded by whoever carries it, is not.
 */
import { NitroError, demand } from "./errors.ts";

export const UINT = 0;
export const BYTES = 2;
export const TEXT = 3;
export const ARRAY = 4;
export const MAP = 5;
export const TAG = 6;
const SIMPLE = 7;

const MAX_DEPTH = 8;
const MAX_ITEMS = 64;

/** The length of an item that ends with a break. */
export const INDEFINITE = -1n;

export interface Head {
  major: number;
  value: bigint;
}

export class CborReader {
  readonly bytes: Uint8Array;
  readonly strict: boolean;
  position: number;

  constructor(bytes: Uint8Array, strict: boolean) {
    this.bytes = bytes;
    this.strict = strict;
    this.position = 0;
  }

  head(): Head {
    const at = this.position;
    const initial = this.#peek();
    const major = initial >> 5;
    const info = initial & 31;
    this.position++;
    if (info < 24) return { major, value: BigInt(info) };
    if (info === 31) {
      demand(major > 1 && major !== TAG, "CborReserved", { position: at, initial });
      demand(major !== SIMPLE, "CborBreak", { position: at });
      return { major, value: INDEFINITE };
    }
    demand(info < 28, "CborReserved", { position: at, initial });
    demand(major !== SIMPLE || info === 24, "CborFloat", { position: at });
    const size = 1 << (info - 24);
    const value = this.#take(size).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    demand(major !== SIMPLE, "CborSimple", { position: at, value });
    const least = size === 1 ? 24n : 1n << BigInt(4 * size);
    demand(!this.strict || value >= least, "CborNotMinimal", { position: at, value });
    return { major, value };
  }

  expect(expected: number): bigint {
    const at = this.position;
    const { major, value } = this.head();
    demand(major === expected, "CborType", { position: at, expected, found: major });
    return value;
  }

  /** A byte or text string in one piece. */
  string(expected: number): Uint8Array {
    const at = this.position;
    const length = this.expect(expected);
    demand(length !== INDEFINITE, "CborIndefinite", { position: at });
    return this.#take(length);
  }

  /** A string or null; null yields undefined. */
  nullable(expected: number): Uint8Array | undefined {
    if (this.#peek() !== 0xf6) return this.string(expected);
    this.position++;
    return undefined;
  }

  /** Runs `entry` for every entry of a collection whose head is still to be read. Returns how many there were. */
  each(expected: number, limit: number, entry: (index: number) => void): number {
    return this.entries(this.expect(expected), limit, entry);
  }

  entries(count: bigint, limit: number, entry: (index: number) => void): number {
    demand(count <= BigInt(limit), "CborTooMany", { position: this.position, count, limit });
    for (let index = 0; ; index++) {
      if (count === INDEFINITE) {
        if (this.#peek() === 0xff) {
          this.position++;
          return index;
        }
        demand(index < limit, "CborTooMany", { position: this.position, limit });
      } else if (BigInt(index) === count) {
        return index;
      }
      entry(index);
    }
  }

  /** Walks over one item of any kind. */
  skip(depth = 0): void {
    const at = this.position;
    demand(depth < MAX_DEPTH, "CborTooDeep", { position: at, depth });
    const { major, value } = this.head();
    switch (major) {
      case BYTES:
      case TEXT:
        if (value === INDEFINITE) this.entries(INDEFINITE, MAX_ITEMS, () => void this.string(major));
        else this.#take(value);
        return;
      case ARRAY:
        this.entries(value, MAX_ITEMS, () => this.skip(depth + 1));
        return;
      case MAP:
        this.entries(value, MAX_ITEMS, () => {
          this.skip(depth + 1);
          this.skip(depth + 1);
        });
        return;
      case TAG:
        this.skip(depth + 1);
        return;
      case SIMPLE:
        demand(value > 19n && value < 24n, "CborSimple", { position: at, value });
        return;
      default:
        return;
    }
  }

  close(): void {
    demand(this.position === this.bytes.length, "CborTrailing", { position: this.position, end: this.bytes.length });
  }

  #peek(): number {
    const byte = this.bytes[this.position];
    if (byte === undefined) throw new NitroError("CborTruncated", { position: this.position, end: this.bytes.length });
    return byte;
  }

  #take(length: bigint | number): Uint8Array {
    const end = BigInt(this.position) + BigInt(length);
    demand(end <= BigInt(this.bytes.length), "CborTruncated", { position: this.position, end: this.bytes.length });
    const taken = this.bytes.subarray(this.position, Number(end));
    this.position = Number(end);
    return taken;
  }
}
