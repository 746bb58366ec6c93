import { type Hex, keccak256, toHex } from "viem";

let made = 0;

/** A private key that no other call of this run gives; the same ones in the same order in every run, so that a failure comes back. */
export const freshKey = (): Hex => keccak256(toHex(`test key ${++made}`));
