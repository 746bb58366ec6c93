/** h: the Poseidon sponge over the slots' input words, as rows and as values, from the compiler's one description of the sponge. */
import { combine, type Form } from "../compiler/emit/form.ts";
import { sum } from "../compiler/emit/circom.ts";
import { header, sponge, type Algebra } from "../compiler/hash/sponge.ts";
import { R } from "../setup/field.ts";

/** Lanes: the slots; bits 0 sets it apart from every model's own input commitment. */
const head = (slots: number): bigint => header(slots, 0);

export interface CommitmentText {
  /** Wires behind the slots' words in the signal s. */
  wires: number;
  declarations: string[];
  lines: string[];
}

export function emitCommitment(slots: number): CommitmentText {
  const lines: string[] = [];
  let next = slots;
  const single = (wire: number): Form => ({ terms: new Map([[wire, 1n]]), c: 0n });
  const named = (text: string): string => text.replaceAll("w[", "s[");
  const alg: Algebra<Form> = {
    linear: (parts, c) => reduced(combine(parts, c)),
    product: (a, b) => {
      const at = next++;
      lines.push(...sum(a, (x) => sum(b, (y) => `w[${at}] === (${x})*(${y});`).join("\n").trim()).map(named));
      return single(at);
    },
    wire: (form) => {
      const at = next++;
      lines.push(...sum(form, (text) => `w[${at}] === ${text};`).map(named));
      return single(at);
    },
  };
  const result = sponge(alg, head(slots), { terms: new Map(), c: 0n }, Array.from({ length: slots }, (_, i) => single(i)));
  lines.push(...sum(result, (text) => `h === ${text};`).map(named));
  const variables = Array.from({ length: 28 }, (_, i) => `a${i}`).join(", ");
  return { wires: next - slots, declarations: [`  var ${variables};`], lines };
}

/** Hash and wires, in the order of the text. */
export function commitmentValues(words: readonly bigint[]): { wires: bigint[]; hash: bigint } {
  const wires: bigint[] = [];
  const keep = (value: bigint): bigint => {
    wires.push(value);
    return value;
  };
  const alg: Algebra<bigint> = {
    linear: (parts, c) => parts.reduce((total, [value, k]) => (total + value * k) % R, c),
    product: (a, b) => keep((a * b) % R),
    wire: keep,
  };
  return { hash: sponge(alg, head(words.length), 0n, words), wires };
}

function reduced(form: Form): Form {
  return { terms: new Map([...form.terms].map(([wire, k]) => [wire, ((k % R) + R) % R])), c: ((form.c % R) + R) % R };
}
