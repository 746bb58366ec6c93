import { sha384 } from "@noble/hashes/sha2.js";
import { p384 } from "@noble/curves/nist.js";
import type { HardhatEthers } from "@nomicfoundation/hardhat-ethers/types";

import { encodeSignatures, proveBatch, type Signature } from "../../../sdk/attestation/p384/index.ts";
import { generatorTable } from "../../lib/p384Table.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const integer = (data: Uint8Array) => BigInt(`0x${Buffer.from(data).toString("hex")}`);

/** A valid signature of its own key, the same for the same seed. */
export function sampleSignature(seed: number): Signature {
  const secret = sha384(bytes(`secret ${seed}`));
  const message = sha384(bytes(`message ${seed}`));
  const signature = p384.sign(message, secret, { prehash: false, lowS: false });
  const key = p384.getPublicKey(secret, false);
  return {
    x: integer(key.slice(1, 49)),
    y: integer(key.slice(49)),
    e: integer(message),
    r: integer(signature.slice(0, 48)),
    s: integer(signature.slice(48)),
  };
}

export interface P384Cost {
  signatures: number;
  /** Execution alone: gas of a call less that of its data. */
  execution: number;
  calldata: number;
  bytes: number;
  proverMilliseconds: number;
}

/** Gas for each byte of calldata: 4 when zero, 16 otherwise. */
function calldataGas(data: string): number {
  const zeros = [...data.slice(2).matchAll(/../g)].filter(([byte]) => byte === "00").length;
  return 16 * ((data.length - 2) / 2) - 12 * zeros;
}

/** What one to five signatures cost in the kernel, without transaction and floor. */
export async function measureP384(ethers: HardhatEthers, samples = 3): Promise<P384Cost[]> {
  const kernel = await ethers.deployContract("P384", [generatorTable()]);
  const meter = await ethers.deployContract("GasMeter");
  const costs: P384Cost[] = [];
  for (let count = 1; count <= 5; count++) {
    const runs: P384Cost[] = [];
    for (let sample = 0; sample < samples; sample++) {
      const signatures = Array.from({ length: count }, (_, i) => sampleSignature(100 * sample + i));
      const before = performance.now();
      const hints = proveBatch(signatures);
      const proverMilliseconds = performance.now() - before;
      const data = kernel.interface.encodeFunctionData("verify", [encodeSignatures(signatures), hints]);
      const execution = Number(await meter.getFunction("measure").staticCall(await kernel.getAddress(), data, { gasLimit: 16_000_000 }));
      runs.push({ signatures: count, execution, calldata: calldataGas(data), bytes: data.length / 2 - 1, proverMilliseconds });
    }
    const mean = (pick: (cost: P384Cost) => number) => Math.round(runs.reduce((sum, run) => sum + pick(run), 0) / samples);
    costs.push({
      signatures: count,
      execution: mean((run) => run.execution),
      calldata: mean((run) => run.calldata),
      bytes: mean((run) => run.bytes),
      proverMilliseconds: mean((run) => run.proverMilliseconds),
    });
  }
  return costs;
}
