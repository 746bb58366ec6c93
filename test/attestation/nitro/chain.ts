/** A NitroVerifier on a chain of its own, with the hash kernel and a ledger in place of the curve kernel. */
import { network } from "hardhat";

import { generatorTable } from "../../../sdk/attestation/p384/index.ts";
import { AWS_NITRO_ROOT, encodeStatements, openNitro, proveFrom, toHex } from "../../../sdk/attestation/nitro/index.ts";
import type { Hex, NitroCall } from "../../../sdk/attestation/nitro/index.ts";

/** Blocks may go back to 2021: every document is verified at its own time. */
export async function chainAt(seconds: number) {
  return network.create({ network: "default", override: { initialDate: new Date((seconds - 60) * 1000).toISOString() } });
}

export type Connection = Awaited<ReturnType<typeof chainAt>>;

/** With the real curve kernel. */
export async function deployWithKernel({ ethers }: Connection, root: Hex = AWS_NITRO_ROOT) {
  const [admin] = await ethers.getSigners();
  const manager = await ethers.deployContract("AccessManager", [admin!.address]);
  const sha384 = await ethers.deployContract("Sha384Pair", [await ethers.deployContract("Sha384")]);
  const p384 = await ethers.deployContract("P384", [generatorTable()]);
  const verifier = await ethers.deployContract("NitroVerifier", [root, sha384, p384, manager]);
  return { manager, verifier };
}

export async function deployNitro({ ethers }: Connection, root: Hex = AWS_NITRO_ROOT) {
  const [admin] = await ethers.getSigners();
  const manager = await ethers.deployContract("AccessManager", [admin!.address]);
  const sha384 = await ethers.deployContract("Sha384Pair", [await ethers.deployContract("Sha384")]);
  const p384 = await ethers.deployContract("P384Ledger");
  const verifier = await ethers.deployContract("NitroVerifier", [root, sha384, p384, manager]);
  return { manager, sha384, p384, verifier };
}

export type Deployed = Awaited<ReturnType<typeof deployNitro>>;

/** A call whose statements the ledger accepts, as if they had been proved. */
export async function callFor({ p384 }: Deployed, document: Uint8Array, root: Hex, first = 1, rememberLeaf = false): Promise<NitroCall> {
  const call = await proveFrom(openNitro(document, root), first, { prove: () => new Uint8Array(), rememberLeaf });
  await p384.accept(encodeStatements(call.statements));
  return { ...call, evidence: toHex(document) };
}
