/**
 * One thread of the prover (groth16.ts): holds its share of one proving key for as long as it lives, and does what it is asked,
 * one request after the other. Large data comes and goes through shared buffers.
 */
import { parentPort, workerData } from "node:worker_threads";

import { FIELD, openArithmetic } from "./arithmetic.ts";
import { loadPoints, openMultiexp } from "./multiexp.ts";
import type { PointSet } from "./multiexp.ts";
import { openTransform } from "./transform.ts";
import type { Form, Request, Share } from "./share.ts";

const { module, share } = workerData as { module: WebAssembly.Module; share: Share };
const { domainExponent, shared, first, firstQuotient } = share;
const arithmetic = await openArithmetic(module);
const { call, grow, memory } = arithmetic;
const size = 2 ** domainExponent;
const multiexp = openMultiexp(arithmetic);
const transform = share.forms.length > 0 ? openTransform(arithmetic, domainExponent) : undefined;
const values = Object.fromEntries(share.forms.map((form) => [form, grow(size * FIELD)])) as Record<Form, number>;
const other = share.forms.includes("c") ? grow(size * FIELD) : 0;
const rows = (["a", "b"] as const).filter((form) => share.coefficients[form]).map((form) => ({ form, terms: loadTerms(share.coefficients[form]!) }));
const points = Object.fromEntries(Object.entries(share.points).map(([name, { group, bytes }]) => [name, loadPoints(arithmetic, group, bytes)])) as Record<keyof Share["points"], PointSet>;
const quotient = grow(points.h.count * 3 * FIELD);
const witness = grow(share.wires * FIELD);
const temporary = grow(FIELD);

interface Terms {
  rows: Uint32Array;
  wires: Uint32Array;
  /** Coefficients, one after the other. */
  pointer: number;
}

/** Of a key's coefficient section: those of one form. */
function loadTerms(bytes: Uint8Array): Terms {
  const count = bytes.length / 40;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pointer = grow(count * FIELD);
  const to = new Uint8Array(memory.buffer);
  const made = { rows: new Uint32Array(count), wires: new Uint32Array(count), pointer };
  for (let i = 0; i < count; i++) {
    made.rows[i] = view.getUint32(i * 40, true);
    made.wires[i] = view.getUint32(i * 40 + 4, true);
    to.set(bytes.subarray(i * 40 + 8, i * 40 + 40), pointer + i * FIELD);
  }
  return made;
}

function put(from: SharedArrayBuffer, pointer: number, start = 0, length = from.byteLength): void {
  new Uint8Array(memory.buffer).set(new Uint8Array(from, start, length), pointer);
}

function take(pointer: number, to: SharedArrayBuffer): void {
  new Uint8Array(to).set(new Uint8Array(memory.buffer, pointer, to.byteLength));
}

const requests: Record<Request, () => Uint8Array[]> = {
  /** Rows of A and of B at the witness. Coefficients carry 2^512: a product with a plain value is in Montgomery form. */
  rows() {
    const [mul, add] = [call.frm_mul!, call.frm_add!];
    const plain = new Uint32Array(shared.witness);
    if (rows.length > 0) put(shared.witness, witness);
    for (const { form, terms } of rows) {
      const at = values[form];
      new Uint8Array(memory.buffer, at, size * FIELD).fill(0);
      for (let i = 0; i < terms.rows.length; i++) {
        const wire = terms.wires[i]!;
        const limb = wire * 8;
        if ((plain[limb]! | plain[limb + 1]! | plain[limb + 2]! | plain[limb + 3]! | plain[limb + 4]! | plain[limb + 5]! | plain[limb + 6]! | plain[limb + 7]!) === 0) continue;
        const row = at + terms.rows[i]! * FIELD;
        mul(terms.pointer + i * FIELD, witness + wire * FIELD, temporary);
        add(row, temporary, row);
      }
      take(at, shared.rows[form]);
    }
    return [];
  },

  /** The forms of this thread over the coset, and its share of the sums over the witness. */
  forms() {
    for (const form of share.forms) {
      if (form === "c") {
        put(shared.rows.a, values.c);
        put(shared.rows.b, other);
        for (let i = 0; i < size * FIELD; i += FIELD) call.frm_mul!(values.c + i, other + i, values.c + i);
      }
      transform!.toCoset(values[form]);
      take(values[form], shared.coset[form]);
    }
    const plain = new Uint8Array(shared.witness);
    return (["a", "b1", "b2", "c"] as const).map((name) => multiexp.sum(points[name], plain.subarray(FIELD * (name === "c" ? Math.max(first, share.publics + 1) : first))));
  },

  /** A B - C over this thread's part of the coset, times the key's points for the quotient. */
  quotient() {
    const part = points.h.count * FIELD;
    const [a, b, c] = [quotient, quotient + part, quotient + 2 * part];
    for (const [form, at] of [["a", a], ["b", b], ["c", c]] as const) put(shared.coset[form], at, firstQuotient * FIELD, part);
    call.qap_joinABC!(a, b, c, points.h.count, a);
    call.frm_batchFromMontgomery!(a, points.h.count, a);
    return [multiexp.sum(points.h, new Uint8Array(memory.buffer, a, part))];
  },
};

// All of it lies in the module's memory now.
share.points = {} as Share["points"];
share.coefficients = {};

parentPort!.on("message", (name: Request) => parentPort!.postMessage(requests[name]()));
parentPort!.postMessage([]);
