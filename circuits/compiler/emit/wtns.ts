import { P } from "../integer/field.ts";

/** The witness file that snarkjs and native provers read. */
export function wtnsBytes(witness: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(12 + 12 + 40 + 12 + 32 * witness.length);
  const view = new DataView(bytes.buffer);
  const put = (at: number, v: bigint): void => {
    for (let i = 0; i < 4; i++) view.setBigUint64(at + 8 * i, BigInt.asUintN(64, v >> BigInt(64 * i)), true);
  };
  bytes.set([0x77, 0x74, 0x6e, 0x73]);
  view.setUint32(4, 2, true);
  view.setUint32(8, 2, true);
  view.setUint32(12, 1, true);
  view.setBigUint64(16, 40n, true);
  view.setUint32(24, 32, true);
  put(28, P);
  view.setUint32(60, witness.length, true);
  view.setUint32(64, 2, true);
  view.setBigUint64(68, BigInt(32 * witness.length), true);
  witness.forEach((v, i) => put(76 + 32 * i, v));
  return bytes;
}
