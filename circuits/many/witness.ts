/** The witness of a proof over many items. */
import { calculateWitness, evaluateInteger, type LoadedModel } from "../compiler/index.ts";
import { spongeHeader } from "../compiler/emit/sponge.ts";
import { spongeHash } from "../compiler/hash/sponge.ts";
import { statementHash, word } from "../setup/encode.ts";
import type { Hex } from "../setup/encode.ts";
import { challenge, evaluate, filled, flat } from "./challenge.ts";
import type { ManyItem, ManyPlace } from "./challenge.ts";
import { commitmentValues } from "./commitment.ts";
import { R } from "../setup/field.ts";

/** One request: what its input commitment and context come from. */
export interface ManyRequest {
  ctx: bigint;
  /** Quantised inputs. */
  values: readonly bigint[];
  salt?: bigint;
}

export interface ManyWitness {
  values: bigint[];
  /** c, e, h: what the proof shows. */
  publicInputs: [bigint, bigint, bigint];
  /** (ctx, in, out) of each item in the contract's order: what the settlement is given. */
  items: ManyItem[];
  /** Follows the 256 bytes of the proof. */
  suffix: Hex;
}

/** `order[i]` tells which request became item i. */
export function manyWitness(model: LoadedModel, sym: ReadonlyMap<string, number>, slots: number, requests: readonly ManyRequest[], place: ManyPlace): ManyWitness & { order: number[] } {
  const ordered = requests
    .map((request, index) => ({ request, index, item: itemOf(model, request) }))
    .map((entry) => ({ ...entry, hash: statementHash(flat([entry.item])) }))
    .sort((a, b) => (a.hash < b.hash ? -1 : 1));
  ordered.forEach(({ hash }, i) => {
    if (i > 0 && ordered[i - 1]!.hash === hash) throw new RangeError("the same statement twice");
  });
  const items = ordered.map(({ item }) => item);
  const inSlots = filled(ordered, slots);
  const { wires, hash: h } = commitmentValues(inSlots.map(({ item }) => item.in));
  const c = challenge(place, h, items);
  const e = evaluate(c, slots, items);

  const wireCount = 1 + [...sym.values()].reduce((most, at) => Math.max(most, at), 0);
  const values = new Array<bigint>(wireCount).fill(0n);
  values[0] = 1n;
  const put = (name: string, value: bigint) => {
    const at = sym.get(`main.${name}`);
    if (at === undefined) throw new RangeError(`the circuit has no signal ${name}`);
    if (at >= 0) values[at] = value;
  };
  put("c", c);
  put("e", e);
  put("h", h);
  [...inSlots.map(({ item }) => item.in), ...wires].forEach((value, i) => put(`s[${i}]`, value));
  const bySlot = slotSymbols(sym, slots);
  inSlots.forEach(({ request, item }, slot) => {
    put(`out[${slot}]`, item.out);
    const own = calculateWitness(model, bySlot[slot]!.symbols, request.values, 0n, request.salt).values;
    for (const at of bySlot[slot]!.places) values[at] = own[at]!;
  });
  let sum = 0n;
  for (let slot = slots - 1; slot >= 0; slot--) {
    sum = ((sum + inSlots[slot]!.item.out) * c) % R;
    put(`t[${2 * slot + 1}]`, sum);
    sum = ((sum + inSlots[slot]!.item.in) * c) % R;
    put(`t[${2 * slot}]`, sum);
  }
  return { values, publicInputs: [c, e, h], items, suffix: `0x${word(h)}`, order: ordered.map(({ index }) => index) };
}

function itemOf(model: LoadedModel, { ctx, values, salt = 0n }: ManyRequest): ManyItem {
  const { inputWords, outputWords } = evaluateInteger(model.graph, values);
  if (outputWords.length !== 1 || (!model.hashedInput && inputWords.length !== 1)) throw new RangeError("an item has one input word and one output word");
  return { ctx, in: model.hashedInput ? spongeHash(spongeHeader(model.graph), salt, inputWords) : inputWords[0]!, out: outputWords[0]! };
}

/**
 * A slot's signals under the names of the single model: those of its component (main.m[3].w[5]) and, where circom kept the other
 * name for the same wire, those outside (main.w[3][5]).
 */
function slotSymbols(sym: ReadonlyMap<string, number>, slots: number): { symbols: Map<string, number>; places: number[] }[] {
  const made = Array.from({ length: slots }, () => ({ symbols: new Map<string, number>(), places: [] as number[] }));
  for (const [name, at] of sym) {
    const inside = /^main\.m\[(\d+)\]\.(.+)$/.exec(name);
    const outside = /^main\.w\[(\d+)\](\[\d+\])$/.exec(name);
    const [slot, own] = inside ? [inside[1], `main.${inside[2]}`] : outside ? [outside[1], `main.w${outside[2]}`] : [undefined, ""];
    if (slot === undefined) continue;
    const { symbols, places } = made[Number(slot)]!;
    const known = symbols.get(own) ?? -1;
    if (at >= 0 || known < 0) symbols.set(own, Math.max(at, known));
    if (at >= 0) places.push(at);
  }
  return made;
}
