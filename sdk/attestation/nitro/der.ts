/** Strict DER (X.690), counterpart of contracts/attestation/der/Der.sol. */
import { NitroError, demand } from "./errors.ts";

export const BOOLEAN = 0x01;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
export const OID = 0x06;
export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;
export const SEQUENCE = 0x30;

export interface Element {
  /** With tag and length. */
  whole: Uint8Array;
  content: Uint8Array;
}

/** Reads the children of one element, in order. */
export class DerReader {
  readonly bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get done(): boolean {
    return this.position >= this.bytes.length;
  }

  /** The tag of the next element, 0 when there is none. */
  peek(): number {
    return this.bytes[this.position] ?? 0;
  }

  open(tag: number): Element {
    const at = this.position;
    const [found, short] = this.bytes.subarray(at, at + 2);
    if (found === undefined || short === undefined) throw new NitroError("DerTruncated", { position: at });
    demand(found === tag, "DerTag", { position: at, expected: tag, found });
    let start = at + 2;
    let length = short;
    if (short > 0x7f) {
      demand(short === 0x81 || short === 0x82, "DerLength", { position: at });
      const size = short - 0x80;
      // Bytes past the end count as zero, as they do in call data; the length is then not minimal or too long.
      length = 0;
      for (let i = 0; i < size; i++) length = length * 256 + (this.bytes[start + i] ?? 0);
      demand(length > (size === 1 ? 0x7f : 0xff), "DerLength", { position: at });
      start += size;
    }
    const stop = start + length;
    demand(stop <= this.bytes.length, "DerTruncated", { position: at });
    this.position = stop;
    return { whole: this.bytes.subarray(at, stop), content: this.bytes.subarray(start, stop) };
  }

  children(tag: number): DerReader {
    return new DerReader(this.open(tag).content);
  }

  /** The only element, which fills its parent. */
  only(tag: number): DerReader {
    const child = this.children(tag);
    this.close();
    return child;
  }

  close(): void {
    demand(this.position === this.bytes.length, "DerTrailing", { position: this.position, end: this.bytes.length });
  }

  /** Content of a non-negative integer, without the zero byte that keeps it positive. */
  unsigned(): Uint8Array {
    const position = this.position;
    const { content } = this.open(INTEGER);
    const [first, second] = content;
    demand(first !== undefined && first < 0x80, "DerInteger", { position });
    if (first !== 0 || second === undefined) return content;
    demand(second >= 0x80, "DerInteger", { position });
    return content.subarray(1);
  }

  defaultFalse(): boolean {
    if (this.peek() !== BOOLEAN) return false;
    const position = this.position;
    const { content } = this.open(BOOLEAN);
    demand(content.length === 1 && content[0] === 0xff, "DerBoolean", { position });
    return true;
  }

  /** First byte of a list of named bits of one or two bytes. */
  namedBits(): number {
    const position = this.position;
    const { content } = this.open(BIT_STRING);
    const unused = content[0] ?? 0;
    demand((content.length === 2 || content.length === 3) && unused < 8, "DerBitString", { position });
    const last = content[content.length - 1] as number;
    demand((last & ((2 << unused) - 1)) === 1 << unused, "DerBitString", { position });
    return content[1] as number;
  }

  /** Seconds since 1970. */
  time(): number {
    const position = this.position;
    const generalized = this.peek() === GENERALIZED_TIME;
    const { content } = this.open(generalized ? GENERALIZED_TIME : UTC_TIME);
    const text = String.fromCharCode(...content);
    demand(generalized ? /^\d{14}Z$/.test(text) : /^\d{12}Z$/.test(text), "DerTime", { position, text });
    const century = Number(text.slice(0, 2)) < 50 ? "20" : "19";
    const full = generalized ? text : century + text;
    const [year, month, day, hour, minute, second] = [
      [0, 4],
      [4, 6],
      [6, 8],
      [8, 10],
      [10, 12],
      [12, 14],
    ].map(([from, to]) => Number(full.slice(from, to))) as [number, number, number, number, number, number];
    const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
    // The platform rolls 30 February over into March: a date that exists comes back as it went in.
    const roundTrip = date.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14) === full.slice(0, 14);
    demand(roundTrip && year >= 1970, "DerTime", { position, text });
    return date.getTime() / 1000;
  }
}
