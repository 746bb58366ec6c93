/** Writes DER: just what a certificate over P-384 needs. */

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

export function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  const { length } = content;
  if (length < 0x80) return concat(Uint8Array.of(tag, length), content);
  if (length < 0x100) return concat(Uint8Array.of(tag, 0x81, length), content);
  return concat(Uint8Array.of(tag, 0x82, length >> 8, length & 0xff), content);
}

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => element(0x30, ...parts);
export const set = (...parts: readonly Uint8Array[]): Uint8Array => element(0x31, ...parts);
export const octetString = (...parts: readonly Uint8Array[]): Uint8Array => element(0x04, ...parts);
export const bitString = (unused: number, ...parts: readonly Uint8Array[]): Uint8Array => element(0x03, Uint8Array.of(unused), ...parts);
export const boolean = (value: boolean): Uint8Array => Uint8Array.of(0x01, 0x01, value ? 0xff : 0x00);
export const utf8String = (text: string): Uint8Array => element(0x0c, new TextEncoder().encode(text));

/** A non-negative integer from big-endian bytes. */
export function integer(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0);
  const trimmed = start < 0 ? Uint8Array.of(0) : bytes.subarray(start);
  return element(0x02, (trimmed[0] as number) < 0x80 ? trimmed : concat(Uint8Array.of(0), trimmed));
}

export function objectId(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return element(0x06, Uint8Array.from(bytes));
}

/** UTCTime, which RFC 5280 wants up to the year 2049. */
export function utcTime(seconds: number): Uint8Array {
  const text = new Date(seconds * 1000).toISOString().replaceAll(/[-:T]/g, "").slice(2, 14);
  return element(0x17, new TextEncoder().encode(`${text}Z`));
}
