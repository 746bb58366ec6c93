/** A whole ceremony of a circuit of 2^exponent rows as a process of its own, for measuring its memory: `node large.ts <directory> <exponent>`. */
import { mkdirSync, statSync } from "node:fs";

import * as snarkjs from "snarkjs";

import { closeCeremony, contribute, startCeremony } from "../../../circuits/setup/ceremony.ts";
import { makeDevelopmentPtau } from "../../../circuits/setup/development-ptau.ts";
import { R, writeScalar } from "../../../circuits/setup/field.ts";
import { writeSections } from "../../../circuits/setup/sections.ts";
import { verifySetup } from "../../../circuits/setup/verify-setup.ts";

const SOURCE = "test/circuits/setup/circuits/ladder.circom";
const TERM_BYTES = 36;

/** Rows that square the wire before: x_(i + 1) = x_i * x_i. Wire 1 is the output, wire 2 where it starts. */
export function writeLadder(path: string, rows: number): void {
  const head = new DataView(new ArrayBuffer(64));
  head.setUint32(0, 32, true);
  writeScalar(head, 4, R);
  for (const [offset, value] of [[36, rows + 2], [40, 1], [44, 0], [48, 1], [60, rows]] as const) head.setUint32(offset, value, true);
  const body = new DataView(new ArrayBuffer(rows * 3 * (4 + TERM_BYTES)));
  let offset = 0;
  const form = (wire: number) => {
    body.setUint32(offset, 1, true);
    body.setUint32(offset + 4, wire, true);
    writeScalar(body, offset + 8, 1n);
    offset += 4 + TERM_BYTES;
  };
  for (let row = 0; row < rows; row++) for (const wire of [row + 2, row + 2, row === rows - 1 ? 1 : row + 3]) form(wire);
  const labels = new DataView(new ArrayBuffer((rows + 2) * 8));
  for (let wire = 0; wire < rows + 2; wire++) labels.setBigUint64(8 * wire, BigInt(wire), true);
  writeSections(path, "r1cs", 1, [[1, [new Uint8Array(head.buffer)]], [2, [new Uint8Array(body.buffer)]], [3, [new Uint8Array(labels.buffer)]]]);
}

async function run([directory, exponent]: readonly string[]): Promise<void> {
  mkdirSync(directory!, { recursive: true });
  const [r1cs, ptau, folder] = ["large.r1cs", "large.ptau", "ceremony"].map((name) => `${directory}/${name}`) as [string, string, string];
  const report: Record<string, number> = {};
  const peak = (name: string) => (report[name] = Math.round(process.resourceUsage().maxRSS / 1024));
  writeLadder(r1cs, 2 ** Number(exponent) - 2);
  await makeDevelopmentPtau(ptau, Number(exponent), { trapdoor: { tau: 1_234_567n, alpha: 2_345_678n, beta: 3_456_789n } });
  peak("ptauMb");
  await startCeremony(folder, r1cs, ptau);
  peak("startMb");
  for (const name of ["Ada", "Blaise", "Carl"]) await contribute(folder, name, name);
  await closeCeremony(folder, { circuit: "large", sources: [SOURCE], ptau, beacon: "0f".repeat(32), iterationsExponent: 10 });
  peak("closeMb");
  const { level } = await verifySetup({ directory: folder, sources: [SOURCE], ptau, rederive: () => Promise.resolve(r1cs) });
  peak("verifyMb");
  const size = (path: string) => Math.round(statSync(path).size / 2 ** 20);
  console.log(JSON.stringify({ level, fileMb: size(ptau), keyMb: size(`${folder}/proving.zkey`), ...report }));
  await (await snarkjs.curves.getCurveFromName("bn128")).terminate();
}

// The test runner loads every file below test/: only a process of its own runs.
if (import.meta.main) await run(process.argv.slice(2));
