/** Big-endian, unsigned integers of the batch format. */

/** @throws RangeError when the value does not fit. */
export function writeInteger(out: Uint8Array, offset: number, value: bigint, length: number): void {
  if (value < 0n || value >= 1n << BigInt(8 * length)) throw new RangeError(`${value} does not fit into ${length} bytes`);
  for (let index = length - 1, rest = value; index >= 0; index--, rest >>= 8n) out[offset + index] = Number(rest & 0xffn);
}

export function readInteger(bytes: Uint8Array, offset: number, length: number): bigint {
  let value = 0n;
  for (let index = 0; index < length; index++) value = (value << 8n) | BigInt(bytes[offset + index]!);
  return value;
}

/** 8 or 16 bytes, the fast way. */
export function integerAt(bytes: Uint8Array, offset: number, length: 8 | 16): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  const low = view.getBigUint64(length - 8);
  if (length === 8) return low;
  const high = view.getBigUint64(0);
  return high === 0n ? low : (high << 64n) | low;
}
