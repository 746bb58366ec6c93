/** What a Nitro document costs on chain: whole transactions, parser and data included. */
import { existsSync, readFileSync } from "node:fs";

import type { NetworkManager } from "hardhat/types/network";

import { DevelopmentAuthority, SimulatedEnclave, createRoot } from "../../../keepers/attestation/index.ts";
import { AWS_NITRO_ROOT, buildNitroCall, keccakHex, openNitro } from "../../../sdk/attestation/nitro/index.ts";
import type { Hex } from "../../../sdk/attestation/nitro/index.ts";
import { generatorTable } from "../../../sdk/attestation/p384/index.ts";

/** The newest real document known here, from Ohio. Beside the project, not in it. */
const REAL = { file: "nitro-20260212-prod-65ce3118.bin", now: 1_770_918_963 };
const VECTORS = new URL("../../../../shared/vectors/nitro/", import.meta.url);
/** EIP-7825. */
const CAP = 16_777_216n;
/** `mapping(bytes32 => CertificateRecord) _records` of NitroVerifier. */
const RECORDS_SLOT = 1;
const PROVER_RUNS = 5;

export interface NitroCost {
  /** "AWS 2026" or "simulated": documents of AWS are longer. */
  document: string;
  /** Gas of the whole transaction. */
  cold: number;
  newNode: number;
  documentOnly: number;
  /** For the cold call: the best of a few, because other work on the machine only ever adds. */
  proverSeconds: number;
  hintBytes: { cold: number; newNode: number; documentOnly: number };
}

interface Sample {
  title: string;
  document: Uint8Array;
  root: Hex;
  now: number;
}

async function sample(): Promise<Sample> {
  const file = new URL(REAL.file, VECTORS);
  if (existsSync(file)) return { title: "AWS 2026", document: new Uint8Array(readFileSync(file)), root: AWS_NITRO_ROOT, now: REAL.now };
  const now = 1_800_000_000;
  const authority = new DevelopmentAuthority(createRoot(now));
  const moduleId = "i-0a1b2c3d4e5f60718-enc0123456789abcdef";
  const enclave = new SimulatedEnclave({ authority, moduleId, pcrs: new Map(), now: () => now * 1000 });
  const { document } = await enclave.attest({ publicKey: new Uint8Array(65), userData: new Uint8Array(32), nonce: new Uint8Array(32) });
  return { title: "simulated", document, root: keccakHex(authority.root.certificate), now };
}

export async function measureNitro(network: NetworkManager): Promise<NitroCost> {
  const { title, document, root, now } = await sample();
  const { ethers, networkHelpers } = await network.create({
    network: "default",
    override: { initialDate: new Date((now - 60) * 1000).toISOString() },
  });
  const [admin] = await ethers.getSigners();
  const manager = await ethers.deployContract("AccessManager", [admin!.address]);
  const sha384 = await ethers.deployContract("Sha384Pair", [await ethers.deployContract("Sha384")]);
  const p384 = await ethers.deployContract("P384", [generatorTable()]);
  const verifier = await ethers.deployContract("NitroVerifier", [root, sha384, p384, manager]);
  await networkHelpers.time.increaseTo(now);

  const readRecords = async (keys: readonly Hex[]) =>
    (await verifier.records([...keys])).map(({ role }) => ({ role: Number(role) }));
  const run = async (rememberLeaf: boolean) => {
    const call = await buildNitroCall(document, { root, readRecords, rememberLeaf });
    const sent = await verifier.verify(call.evidence, call.hints, { gasLimit: CAP });
    const receipt = await sent.wait();
    return { gas: Number(receipt!.gasUsed), bytes: call.hints.length / 2 - 1, first: call.first };
  };
  const forget = async (key: Hex): Promise<void> => {
    const slot = ethers.keccak256(ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "uint256"], [key, RECORDS_SLOT]));
    await networkHelpers.setStorageAt(await verifier.getAddress(), slot, 0);
  };

  const cold = await run(false);
  const { keys } = openNitro(document, root);
  // Another host of the zone: region and zone are known, host and leaf are not.
  await forget(keys[3] as Hex);
  const newNode = await run(false);
  await run(true);
  const documentOnly = await run(false);
  if (cold.first !== 1 || newNode.first !== 3 || documentOnly.first !== keys.length) throw new Error("the cache is not as it should be");
  return {
    document: title,
    cold: cold.gas,
    newNode: newNode.gas,
    documentOnly: documentOnly.gas,
    proverSeconds: await proverSeconds(document, root),
    hintBytes: { cold: cold.bytes, newNode: newNode.bytes, documentOnly: documentOnly.bytes },
  };
}

async function proverSeconds(document: Uint8Array, root: Hex): Promise<number> {
  let best = Infinity;
  for (let run = 0; run < PROVER_RUNS; run++) {
    const started = performance.now();
    await buildNitroCall(document, { root });
    best = Math.min(best, (performance.now() - started) / 1000);
  }
  return best;
}
