/**
 * A Groth16 prover on snarkjs's arithmetic and for snarkjs's files, two to three times as fast as snarkjs: a key is read once and stays
 * divided among threads, so that a proof moves the witness and little else; zeros and ones of the witness cost next to nothing.
 */
import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";

import { buildBn128 } from "ffjavascript";
import type { Curve } from "ffjavascript";

import type { ProofJson } from "../../../circuits/setup/encode.ts";
import { R } from "../../../circuits/setup/field.ts";
import { readSection, readSections, SetupFileError } from "../../../circuits/setup/sections.ts";
import { readZkeyHeader } from "../../../circuits/setup/zkey.ts";
import { divide } from "./share.ts";
import type { Form, Request, Share, SharedBuffers } from "./share.ts";

const G1_BYTES = 64;
const G2_BYTES = 128;
const FIELD = 32;
/** More than this and the sums of a thread become too short to be worth a table of buckets. */
const MAX_THREADS = 8;

export interface LoadedKey {
  /** Of the witness file at `path`. Not verified: that is the caller's. */
  prove(path: string): Promise<{ proof: ProofJson; publicSignals: string[] }>;
  close(): Promise<void>;
}

let opened: Promise<{ curve: Curve; module: WebAssembly.Module }> | undefined;

/** Without threads of ffjavascript's own; those of this file replace them. */
function arithmetic() {
  return (opened ??= buildBn128(true).then(async (curve) => ({ curve, module: await WebAssembly.compile(curve.tm.code) })));
}

export async function loadKey(zkey: string, threads = Math.min(availableParallelism(), MAX_THREADS)): Promise<LoadedKey> {
  const { curve, module } = await arithmetic();
  const { wires, publics, domainSize } = readZkeyHeader(zkey);
  const domainExponent = Math.log2(domainSize);
  if (!Number.isInteger(domainExponent)) throw new SetupFileError(`${zkey}: a domain of ${domainSize} points`);
  const sections = readSections(zkey, "zkey");
  const section = (type: number, bytes: number): Buffer => {
    const found = readSection(zkey, sections, type);
    if (found.length !== bytes) throw new SetupFileError(`${zkey}: section ${type} has ${found.length} bytes, not ${bytes}`);
    return found;
  };
  const a = section(5, wires * G1_BYTES);
  const b1 = section(6, wires * G1_BYTES);
  const b2 = section(7, wires * G2_BYTES);
  const c = section(8, (wires - publics - 1) * G1_BYTES);
  const h = section(9, domainSize * G1_BYTES);
  const terms = splitTerms(zkey, readSection(zkey, sections, 4), wires, domainSize);

  const buffer = (elements: number) => new SharedArrayBuffer(elements * FIELD);
  const shared: SharedBuffers = {
    witness: buffer(wires),
    rows: { a: buffer(domainSize), b: buffer(domainSize) },
    coset: { a: buffer(domainSize), b: buffer(domainSize), c: buffer(domainSize) },
  };
  const forms: Form[][] = Array.from({ length: threads }, () => []);
  (["a", "b", "c"] as const).forEach((form, i) => forms[i % threads]!.push(form));
  const counts = divide(wires, domainExponent, forms.map(({ length }) => length));

  let first = 0;
  const pool = counts.map((count, i) => {
    const private_ = [Math.max(first, publics + 1), Math.max(first + count, publics + 1)] as const;
    const quotient = [i, i + 1].map((k) => Math.floor((domainSize * k) / threads)) as [number, number];
    const part = (from: Buffer, width: number, [start, end]: readonly [number, number]) => new Uint8Array(from.subarray(start * width, end * width));
    const own = [first, first + count] as const;
    const share: Share = {
      domainExponent,
      wires,
      publics,
      shared,
      forms: forms[i]!,
      coefficients: { a: forms[i]!.includes("a") ? terms.a : undefined, b: forms[i]!.includes("b") ? terms.b : undefined },
      first,
      firstQuotient: quotient[0],
      points: {
        a: { group: 1, bytes: part(a, G1_BYTES, own) },
        b1: { group: 1, bytes: part(b1, G1_BYTES, own) },
        b2: { group: 2, bytes: part(b2, G2_BYTES, own) },
        c: { group: 1, bytes: part(c, G1_BYTES, private_.map((wire) => wire - publics - 1) as [number, number]) },
        h: { group: 1, bytes: part(h, G1_BYTES, quotient) },
      },
    };
    first += count;
    return openThread(module, share);
  });
  await Promise.all(pool.map(({ ready }) => ready));
  const ask = (request: Request) => Promise.all(pool.map((thread) => thread.ask(request)));
  const points = keyPoints(zkey, sections);

  return {
    async prove(path) {
      const witness = readWitness(path, wires);
      new Uint8Array(shared.witness).set(witness);
      await ask("rows");
      const sums = await ask("forms");
      const quotients = await ask("quotient");
      const total = (group: "G1" | "G2", parts: (Uint8Array | undefined)[]) => parts.reduce<Uint8Array>((sum, part) => curve[group].add(sum, part!), curve[group].zero);
      const [pa, pb1, pb2, pc] = (["G1", "G1", "G2", "G1"] as const).map((group, i) => total(group, sums.map((parts) => parts[i])));
      const proof = blind(curve, points, { a: pa!, b1: pb1!, b2: pb2!, c: curve.G1.add(pc!, total("G1", quotients.map(([part]) => part))) });
      return { proof, publicSignals: Array.from({ length: publics }, (_, i) => String(littleEndian(witness.subarray((i + 1) * FIELD, (i + 2) * FIELD)))) };
    },
    async close() {
      await Promise.all(pool.map((thread) => thread.close()));
    },
  };
}

function openThread(module: WebAssembly.Module, share: Share) {
  const bytes = [...Object.values(share.points).map((set) => set.bytes), ...Object.values(share.coefficients).flatMap((terms) => (terms ? [terms] : []))];
  const worker = new Worker(new URL("./thread.ts", import.meta.url), { workerData: { module, share }, transferList: bytes.map((part) => part.buffer as ArrayBuffer) });
  const answer = () =>
    new Promise<Uint8Array[]>((resolve, reject) => {
      const done = (settle: () => void) => {
        worker.off("message", onMessage).off("error", onError);
        settle();
      };
      const onMessage = (parts: Uint8Array[]) => done(() => resolve(parts));
      const onError = (error: Error) => done(() => reject(error));
      worker.on("message", onMessage).on("error", onError);
    });
  return {
    ready: answer(),
    ask(request: Request) {
      const answered = answer();
      worker.postMessage(request);
      return answered;
    },
    close: () => worker.terminate(),
  };
}

/** Terms of A and of B, each without the number of its form. */
function splitTerms(zkey: string, bytes: Buffer, wires: number, rows: number): { a: Uint8Array; b: Uint8Array } {
  const count = bytes.readUInt32LE(0);
  if (bytes.length !== 4 + count * 44) throw new SetupFileError(`${zkey}: coefficients are cut off`);
  let inA = 0;
  for (let at = 4; at < bytes.length; at += 44) {
    const [form, row, wire] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8)];
    if (form > 1 || row >= rows || wire >= wires) throw new SetupFileError(`${zkey}: a coefficient is outside of the circuit`);
    inA += 1 - form;
  }
  const [a, b] = [new Uint8Array(inA * 40), new Uint8Array((count - inA) * 40)];
  let [toA, toB] = [0, 0];
  for (let at = 4; at < bytes.length; at += 44) {
    const term = bytes.subarray(at + 4, at + 44);
    if (bytes[at] === 0) a.set(term, 40 * toA++);
    else b.set(term, 40 * toB++);
  }
  return { a, b };
}

function readWitness(path: string, wires: number): Buffer {
  const sections = readSections(path, "wtns");
  if (littleEndian(readSection(path, sections, 1).subarray(4, 36)) !== R) throw new SetupFileError(`${path}: not a witness over BN254's scalar field`);
  const values = readSection(path, sections, 2);
  if (values.length !== wires * FIELD) throw new SetupFileError(`${path}: ${values.length / FIELD} wires, the key has ${wires}`);
  return values;
}

interface HeadPoints {
  alpha1: Uint8Array;
  beta1: Uint8Array;
  beta2: Uint8Array;
  delta1: Uint8Array;
  delta2: Uint8Array;
}

function keyPoints(zkey: string, sections: ReturnType<typeof readSections>): HeadPoints {
  const head = new Uint8Array(readSection(zkey, sections, 2));
  const at = (start: number, length: number) => head.slice(84 + start, 84 + start + length);
  return { alpha1: at(0, 64), beta1: at(64, 64), beta2: at(128, 128), delta1: at(384, 64), delta2: at(448, 128) };
}

/** A += r delta, B += s delta, C += s A + r B1 - r s delta: what makes a proof say nothing but its statement. */
function blind({ G1, G2, Fr }: Curve, key: HeadPoints, sums: { a: Uint8Array; b1: Uint8Array; b2: Uint8Array; c: Uint8Array }): ProofJson {
  const [r, s] = [randomScalar(), randomScalar()];
  const times = (group: typeof G1, point: Uint8Array, scalar: bigint) => group.timesFr(point, Fr.e(scalar));
  const add = (group: typeof G1, first: Uint8Array, ...more: Uint8Array[]) => more.reduce((sum, point) => group.add(sum, point), first);
  const a = add(G1, sums.a, key.alpha1, times(G1, key.delta1, r));
  const b1 = add(G1, sums.b1, key.beta1, times(G1, key.delta1, s));
  const b = add(G2, sums.b2, key.beta2, times(G2, key.delta2, s));
  const c = add(G1, sums.c, times(G1, a, s), times(G1, b1, r), times(G1, key.delta1, R - ((r * s) % R)));
  const affine = (group: typeof G1, point: Uint8Array) => group.toObject(group.toAffine(point));
  const [pi_a, pi_b, pi_c] = [affine(G1, a), affine(G2, b), affine(G1, c)];
  return {
    pi_a: pi_a.map(String),
    pi_b: (pi_b as unknown as bigint[][]).map((pair) => pair.map(String)),
    pi_c: pi_c.map(String),
    protocol: "groth16",
    curve: "bn128",
  };
}

/** 384 bits reduced: no bias worth a name. Not zero. */
function randomScalar(): bigint {
  return (littleEndian(randomBytes(48)) % (R - 1n)) + 1n;
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
}
