import { mkdirSync } from "node:fs";

import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { mod, R } from "../../../circuits/setup/field.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { NATIVE_PROVER, nativeProver, wasmProver } from "../../../keepers/proving/provers.ts";
import { createProver } from "../../../keepers/proving/prover.ts";
import type { Prover, ProvingTask } from "../../../keepers/proving/prover.ts";
import { CACHE, compile } from "../../circuits/setup/tools.ts";
import { Random } from "../../utils/random.ts";
import { LIMITS } from "../../utils/limits.ts";

const PAIRS = 520;

/** Both provers take short cuts that hang on the witness; each proof is verified by another implementation of the curve. */
describe("Provers, whatever the witness holds", () => {
  const random = new Random(11);
  const full = () => mod(BigInt(`0x${Buffer.from(random.bytes(40)).toString("hex")}`));
  const upTo = (bits: number) => (full() & ((1n << BigInt(bits)) - 1n)) | (bits > 0 ? 1n << BigInt(bits - 1) : 0n);
  const sign = (value: bigint) => (random.below(2) ? mod(-value) : mod(value));
  const edges = [0n, 1n, R - 1n, 2n, R - 2n, (R - 1n) / 2n, (R + 1n) / 2n, 2n ** 253n - 1n, 2n ** 253n, 2n ** 64n - 1n, 2n ** 128n, R - 2n ** 252n];
  const shapes: [string, (i: number) => [bigint, bigint]][] = [
    ["zeros: all sums are at infinity but for the first wire", () => [0n, 0n]],
    ["equal values at equal and at opposite points", () => [7n, 7n]],
    ["opposite values at equal and at opposite points", (i) => [BigInt(i + 1), mod(-BigInt(i + 1))]],
    ["bits", () => [BigInt(random.below(2)), BigInt(random.below(2))]],
    ["every length of either sign", (i) => [sign(upTo(i % 254)), sign(upTo((i * 7) % 254))]],
    ["runs of ones, which carry from digit to digit", (i) => [sign(2n ** BigInt(i % 253) - 1n), sign(2n ** BigInt((i * 3) % 253) - 2n ** BigInt(i % 50))]],
    ["edges of the field", (i) => [edges[i % edges.length]!, edges[(i * 5 + 1) % edges.length]!]],
    ["full values", () => [full(), full()]],
    ["a few full values among zeros", (i) => [i % 97 === 3 ? full() : 0n, i % 89 === 5 ? sign(3n) : 0n]],
  ];
  let zkey: string;
  let key: ProvingTask["key"];

  before(async () => {
    mkdirSync(CACHE, { recursive: true });
    zkey = `${CACHE}/alike.zkey`;
    await makeDevelopmentKey(compile("alike"), zkey, { tau: full(), alpha: full(), beta: full(), gamma: 1n, delta: full() });
    key = readVerifyingKey(zkey);
  });

  function prove(prover: Prover, name: string, shape: (i: number) => [bigint, bigint]) {
    const pairs = Array.from({ length: PAIRS }, (_, i) => shape(i));
    const witness = `${CACHE}/alike-${name}.wtns`;
    writeWitness(witness, [1n, 5n, ...pairs.map(([u]) => mod(u)), ...pairs.map(([, v]) => mod(v)), ...pairs.map(([u, v]) => mod((u + v) * (u - v)))]);
    return prover.prove({ zkey, witness, key, publicInputs: [5n] }, LIMITS);
  }

  for (const [shape, values] of shapes) {
    it(`verify: ${shape}`, async () => {
      await prove(wasmProver(), "wasm", values);
      const native = nativeProver();
      if (!native) {
        console.log("      native prover skipped: not here (npm run build:prover)");
        return;
      }
      await prove(native, "native", values);
    });
  }

  it("native: verify on one processor as well", async function () {
    if (!nativeProver() || process.platform !== "linux") return this.skip();
    await prove(createProver({ name: "native", command: "taskset", args: ["-c", "0", NATIVE_PROVER] }), "native", shapes[4]![1]);
  });
});
