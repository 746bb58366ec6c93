/** Evidence with the hints that the on-chain verifier takes, from whichever enclave the process runs in. */
import { createHash } from "node:crypto";
import { type Address, type Hex, bytesToHex, concatBytes, keccak256 } from "viem";
import { AWS_NITRO_ROOT, buildNitroCall } from "../../../sdk/attestation/nitro/index.ts";
import { iNitroVerifierAbi } from "../../../types/abi/INitroVerifier.ts";
import { type AttestationRequest, DevelopmentAuthority, DstackEnclave, type Enclave, loadRoot, NitroEnclave, SimulatedEnclave, TdxEnclave } from "../../attestation/index.ts";
import { isDevnet } from "../../config/index.ts";
import { fatal } from "../../errors/index.ts";
import type { ChainAccess } from "../platform.ts";

export interface EvidenceCall {
  teeType: number;
  evidence: Hex;
  hints: Hex;
}

export type EvidenceMaker = (request: AttestationRequest) => Promise<EvidenceCall>;

/** Where this process runs: an AWS enclave, a TDX guest with configfs-tsm, a dstack guest, or nowhere (devnets). */
export const ENCLAVE_KINDS = ["nitro", "tdx", "dstack", "simulated"] as const;
export type EnclaveKind = (typeof ENCLAVE_KINDS)[number];

export interface EvidenceOptions {
  enclave: EnclaveKind;
  enclaveUrl: string;
  devRoot: string;
  devImage: string;
  /** Tells simulated enclaves apart: the hot key's address will do. */
  instance: string;
  chain: ChainAccess;
}

/** PCR0 to PCR2 of a simulated enclave that "runs" the named image. */
export function developmentPcrs(image: string): ReadonlyMap<number, Uint8Array> {
  const measure = (index: number) => new Uint8Array(createHash("sha384").update(`${image}/${index}`).digest());
  return new Map([0, 1, 2].map((index) => [index, measure(index)]));
}

/** Image id of the same: what a policy on a devnet approves. */
export function developmentImageId(image: string): Hex {
  const pcrs = developmentPcrs(image);
  // PCR8 is absent and counts as zeros.
  return keccak256(concatBytes([...[0, 1, 2].map((index) => pcrs.get(index)!), new Uint8Array(48)]));
}

/** @throws `node.simulated_refused` outside of devnets. */
export function evidenceMaker(options: EvidenceOptions): EvidenceMaker {
  const { chain } = options;
  if (options.enclave === "tdx" || options.enclave === "dstack") {
    // A quote is taken apart where it is made, and its verifier needs no hints.
    const guest = options.enclave === "tdx" ? new TdxEnclave() : new DstackEnclave();
    return async (request) => {
      const { document, teeType } = await guest.attest(request);
      return { teeType, evidence: bytesToHex(document), hints: "0x" };
    };
  }
  const { enclave, root } = options.enclave === "simulated" ? simulated(options) : { enclave: new NitroEnclave({ url: options.enclaveUrl }) as Enclave, root: AWS_NITRO_ROOT };
  return async (request) => {
    const { document, teeType } = await enclave.attest(request);
    const verifier = chain.deployment.has("NitroVerifier") ? chain.deployment.address("NitroVerifier") : null;
    const { evidence, hints } = await buildNitroCall(document, {
      root,
      readRecords: verifier === null ? undefined : (keys) => readRecords(chain, verifier, keys),
    });
    return { teeType, evidence, hints };
  };
}

async function readRecords(chain: ChainAccess, address: Address, keys: readonly Hex[]) {
  return chain.client.readContract({ address, abi: iNitroVerifierAbi, functionName: "records", args: [keys] });
}

function simulated({ devRoot, devImage, instance, chain }: EvidenceOptions): { enclave: Enclave; root: Hex } {
  if (!isDevnet(chain.chainId)) throw fatal("node.simulated_refused", `A simulated enclave is only for devnets; chain ${chain.chainId} is none.`, { chainId: chain.chainId });
  // The chain's clock: a devnet's runs ahead of or behind the machine's.
  const now = async () => Number((await chain.pool.head()).timestamp) * 1000;
  const root = loadRoot(devRoot, Math.floor(Date.parse("2026-01-01") / 1000));
  const enclave = new SimulatedEnclave({
    authority: new DevelopmentAuthority(root),
    moduleId: `i-${keccak256(bytesToHex(new TextEncoder().encode(instance))).slice(2, 19)}-enc${instance.toLowerCase().slice(-16)}`,
    pcrs: developmentPcrs(devImage),
    now,
  });
  return { enclave, root: keccak256(root.certificate) };
}
