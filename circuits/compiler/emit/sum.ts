import { bitLength } from "../integer/graph.ts";
import type { Form } from "./form.ts";

/** circom clones an expression each time it is added to: sums are built in chunks of this many terms. */
export const CHUNK = 28;

function term(k: bigint, wire: number, first: boolean): string {
  const sign = k < 0n ? (first ? "-" : " - ") : first ? "" : " + ";
  const size = k < 0n ? -k : k;
  return `${sign}${size === 1n ? "" : `${size}*`}w[${wire}]`;
}

/** Text of a form; long ones are first gathered into the variables a0, a1, ... */
export function sum(form: Form, use: (text: string) => string): string[] {
  const parts = [...form.terms];
  const constant = (text: string): string => {
    if (form.c === 0n && text !== "") return text;
    if (text === "") return String(form.c);
    return `${text} ${form.c < 0n ? "-" : "+"} ${form.c < 0n ? -form.c : form.c}`;
  };
  const join = (list: readonly (readonly [number, bigint])[]): string => list.map(([wire, k], i) => term(k, wire, i === 0)).join("");
  if (parts.length <= CHUNK) return [`  ${use(constant(join(parts)))}`];
  const lines: string[] = [];
  // Three levels reach 28^3 terms; the last variable gathers what earlier groups left.
  const names: string[] = [];
  const group = Math.max(CHUNK, Math.ceil(parts.length / (CHUNK - 1)));
  for (let at = 0; at < parts.length; at += group) {
    const name = `a${names.length}`;
    const chunk = parts.slice(at, at + group);
    lines.push(`  ${name} = ${join(chunk.slice(0, CHUNK))};`);
    for (let i = CHUNK; i < chunk.length; i += CHUNK) lines.push(`  ${name} += ${join(chunk.slice(i, i + CHUNK))};`);
    names.push(name);
  }
  lines.push(`  ${use(constant(names.join(" + ")))}`);
  return lines;
}

/** Shorter stretches are written out. */
const PACKED_TERMS = 64;
const LITERAL_BITS = 248;

/**
 * A row without a product. Long stretches over neighbouring wires (the neurons of a layer) are written as packed weights and a loop:
 * a term in the source costs circom about a kilobyte, and a dense layer has a million of them.
 */
export function linearRow(form: Form, use: (text: string) => string): string[] {
  if (form.terms.size < PACKED_TERMS) return sum(form, use);
  const sorted = [...form.terms].sort((a, b) => a[0] - b[0]);
  const rest = new Map<number, bigint>();
  const blocks: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let j = i + 1;
    while (j < sorted.length && (sorted[j] as [number, bigint])[0] - (sorted[j - 1] as [number, bigint])[0] <= 4) j++;
    const stretch = sorted.slice(i, j);
    const width = stretch.reduce((m, [, k]) => Math.max(m, bitLength(k) + 1), 2);
    if (stretch.length < PACKED_TERMS || width > 60) for (const [w, k] of stretch) rest.set(w, k);
    else blocks.push(packed(stretch, width));
    i = j;
  }
  if (blocks.length === 0) return sum(form, use);
  const lines = sum({ terms: rest, c: form.c }, (s) => use(`${s} + s`));
  return ["  {", "  var s = 0;", ...blocks, ...lines, "  }"];
}

/** Weights side by side, offset by half a lane so that none is negative; wires in between that do not take part weigh nothing. */
function packed(stretch: readonly (readonly [number, bigint])[], width: number): string {
  const [first] = stretch[0] as [number, bigint];
  const [last] = stretch[stretch.length - 1] as [number, bigint];
  const count = last - first + 1;
  const per = Math.floor(LITERAL_BITS / width);
  const half = 1n << BigInt(width - 1);
  const lanes = new Array<bigint>(count).fill(half);
  for (const [w, k] of stretch) lanes[w - first] = k + half;
  const literals: bigint[] = [];
  for (let at = 0; at < count; at += per) {
    literals.push(lanes.slice(at, at + per).reduceRight((v, k) => (v << BigInt(width)) + k, 0n));
  }
  const weight = `((k[j] >> (${width}*i)) & ${(1n << BigInt(width)) - 1n}) - ${half}`;
  return [
    `  { var k[${literals.length}] = [${literals.join(",")}];`,
    `  for (var j = 0; j < ${literals.length}; j++) { var t = 0;`,
    `    for (var i = 0; i < ${per} && ${per}*j + i < ${count}; i++) { t += (${weight})*w[${first} + ${per}*j + i]; }`,
    "    s += t; } }",
  ].join("\n");
}
