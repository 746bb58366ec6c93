/** Every way that a forger has tried to change a statement or its proof. */
import { word } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { Q, R } from "../../../circuits/setup/field.ts";
import { negated, rerandomise, strayG2, withWords, words } from "./tools.ts";

const MAX = 2n ** 256n - 1n;

/** What is changed. */
export interface Statement {
  /** One or more proofs of 256 bytes, then words of their own. */
  proof: Hex;
  proofs: number;
  inputs: bigint[];
}

export type Case = [title: string, proof: Hex, inputs: bigint[]];

/** Every public input and every coordinate of every proof, each changed in all the ways that forgers have tried. */
export function mutations({ proof, proofs, inputs }: Statement): Case[] {
  const cases: Case[] = [];
  const input = (title: string, index: number, value: bigint) => {
    if (value !== inputs[index]) cases.push([`input ${index} ${title}`, proof, inputs.map((old, i) => (i === index ? value : old))]);
  };
  inputs.forEach((value, index) => {
    input("+ 1", index, value + 1n);
    input("zero", index, 0n);
    input("+ field", index, value + R);
    input("of all ones", index, MAX);
    const next = (index + 1) % inputs.length;
    if (inputs[next] !== value) cases.push([`inputs ${index} and ${next} swapped`, proof, inputs.map((old, i) => (i === index ? inputs[next]! : i === next ? value : old))]);
  });
  const parts = Array.from({ length: proofs }, (_, i): Hex => `0x${proof.slice(2 + 512 * i, 514 + 512 * i)}`);
  const rest = proof.slice(2 + 512 * proofs);
  parts.forEach((part, k) => {
    const w = words(part);
    const changed = (title: string, changes: Record<number, bigint>) =>
      cases.push([`proof ${k}: ${title}`, `0x${parts.map((old, i) => (i === k ? withWords(old, changes) : old).slice(2)).join("")}${rest}`, inputs]);
    changed("A negated", { 1: negated(w[1]!) });
    changed("B negated", { 4: negated(w[4]!), 5: negated(w[5]!) });
    changed("C negated", { 7: negated(w[7]!) });
    changed("A and C swapped", { 0: w[6]!, 1: w[7]!, 6: w[0]!, 7: w[1]! });
    changed("B's real and imaginary parts swapped", { 2: w[3]!, 3: w[2]!, 4: w[5]!, 5: w[4]! });
    changed("A at infinity", { 0: 0n, 1: 0n });
    changed("B at infinity", { 2: 0n, 3: 0n, 4: 0n, 5: 0n });
    changed("C at infinity", { 6: 0n, 7: 0n });
    changed("all at infinity", Object.fromEntries(w.map((_, i) => [i, 0n])));
    changed("B outside of the subgroup", Object.fromEntries(strayG2().map((value, i) => [2 + i, value])));
    w.forEach((value, i) => {
      changed(`word ${i} off the curve`, { [i]: (value + 1n) % Q });
      changed(`word ${i} + field`, { [i]: value + Q });
      changed(`word ${i} of all ones`, { [i]: MAX });
    });
  });
  for (let at = 0; at < rest.length; at += 64) {
    const value = BigInt(`0x${rest.slice(at, at + 64)}`);
    for (const [title, other] of [["+ 1", value + 1n], ["zero", 0n], ["+ field", value + R]] as const) {
      cases.push([`word ${at / 64} behind the proofs ${title}`, `${proof.slice(0, 2 + 512 * proofs + at)}${word(other)}${rest.slice(at + 64)}` as Hex, inputs]);
    }
  }
  return cases;
}

/** The same statement under other points: whoever has a proof has these. */
export function otherProof({ proof, proofs }: Statement, seed = 12_345n): Hex {
  const other = Array.from({ length: proofs }, (_, i) => rerandomise(`0x${proof.slice(2 + 512 * i, 514 + 512 * i)}`, BigInt(i) + seed).slice(2));
  return `0x${other.join("")}${proof.slice(2 + 512 * proofs)}`;
}
