/** The challenge of a proof over many items, as contracts/settlement/Groth16Many.sol computes it. */
import { keccak, word } from "../setup/encode.ts";
import type { Hex } from "../setup/encode.ts";
import { R } from "../setup/field.ts";

/** Public words of one item. */
export interface ManyItem {
  ctx: bigint;
  in: bigint;
  out: bigint;
}

/** Where the proof will be verified: a proof is for one contract on one chain. */
export interface ManyPlace {
  chainId: bigint;
  /** The Groth16ManyVerifier. */
  verifier: Hex;
  /** Its own, not the circuit key's. */
  vkHash: Hex;
}

const TAG = keccak(`0x${Buffer.from("opengradient.groth16.many.v1").toString("hex")}`);

/** c: fixed only when the commitment h and everything that is paid for are. */
export function challenge(place: ManyPlace, h: bigint, items: readonly ManyItem[]): bigint {
  const inputs = flat(items);
  const digest = keccak(`0x${inputs.map(word).join("")}`);
  const words = [BigInt(TAG), place.chainId, BigInt(place.verifier), BigInt(place.vkHash), h, BigInt(inputs.length), BigInt(digest)];
  return BigInt(keccak(`0x${words.map(word).join("")}`)) >> 8n;
}

/** e: sum of in_i c^(2i+1) + out_i c^(2i+2) over all slots; a short list goes on with its last item. */
export function evaluate(c: bigint, slots: number, items: readonly ManyItem[]): bigint {
  return filled(items, slots).reduceRight((sum, item) => ((((sum + item.out) * c + item.in) % R) * c) % R, 0n);
}

export function filled<T>(items: readonly T[], slots: number): T[] {
  if (items.length === 0 || items.length > slots) throw new RangeError(`${items.length} items for ${slots} slots`);
  return Array.from({ length: slots }, (_, i) => items[Math.min(i, items.length - 1)]!);
}

export function flat(items: readonly ManyItem[]): bigint[] {
  return items.flatMap((item) => [item.ctx, item.in, item.out]);
}
