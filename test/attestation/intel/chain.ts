/** A TdxVerifier with its collateral on a chain of its own, at a time of its own. */
import { network } from "hardhat";

import { IntelError, IntelCollateral, INTEL_SGX_ROOT, collateralCalls, verifyIntel } from "../../../sdk/attestation/intel/index.ts";
import type { CollateralBundle, CollateralCall, Hex, VerifiedIntel } from "../../../sdk/attestation/intel/index.ts";
import { NitroError } from "../../../sdk/attestation/nitro/index.ts";
import { toHex } from "../../../sdk/attestation/nitro/index.ts";

/** EIP-7825: no transaction may ask for more. */
export const CAP = 16_777_216n;

export class IntelChain {
  readonly connection: Awaited<ReturnType<typeof IntelChain.connect>>["connection"];
  readonly deployed: Awaited<ReturnType<typeof IntelChain.connect>>["deployed"];
  readonly twin: IntelCollateral;

  private constructor(made: Awaited<ReturnType<typeof IntelChain.connect>>, root: Hex) {
    this.connection = made.connection;
    this.deployed = made.deployed;
    this.twin = new IntelCollateral(root);
  }

  static async connect(seconds: number, root: Hex) {
    const initialDate = new Date((seconds - 60) * 1000).toISOString();
    const connection = await network.create({ network: "default", override: { initialDate, allowBlocksWithSameTimestamp: true } });
    const { ethers } = connection;
    const statements = await ethers.deployContract("IntelStatements");
    const collateral = await ethers.deployContract("IntelCollateral", [root, statements]);
    const verifier = await ethers.deployContract("TdxVerifier", [collateral]);
    return { connection, deployed: { statements, collateral, verifier } };
  }

  static async at(seconds: number, root: Hex = INTEL_SGX_ROOT): Promise<IntelChain> {
    const chain = new IntelChain(await IntelChain.connect(seconds, root), root);
    await chain.connection.networkHelpers.time.increaseTo(seconds);
    return chain;
  }

  now(): Promise<number> {
    return this.connection.networkHelpers.time.latest();
  }

  /** Puts a bundle on record, on chain and in the twin. */
  async record(bundle: CollateralBundle): Promise<void> {
    for (const call of collateralCalls(bundle)) await this.upsert(call);
    const now = await this.now();
    for (const der of bundle.certificates) this.twin.upsertCertificate(der, now);
    for (const der of bundle.crls) this.twin.upsertCrl(der, now);
    for (const statement of bundle.statements) this.twin.upsertStatement(statement, now);
  }

  async upsert({ functionName, args }: CollateralCall): Promise<number> {
    const { collateral } = this.deployed;
    const [sender] = await this.connection.ethers.getSigners();
    // The overload of four functions is one call on the wire.
    const data = collateral.interface.encodeFunctionData(functionName as "upsertCertificate", args as unknown as [string]);
    const sent = await sender!.sendTransaction({ to: await collateral.getAddress(), data, gasLimit: CAP });
    return Number((await sent.wait())!.gasUsed);
  }

  /** The name of the error that an upsert reverts with, or "ok"; nothing is kept. */
  async upsertVerdict({ functionName, args }: CollateralCall): Promise<string> {
    const { collateral } = this.deployed;
    const data = collateral.interface.encodeFunctionData(functionName as "upsertCertificate", args as unknown as [string]);
    return this.#verdict(await collateral.getAddress(), data);
  }

  async contractVerdict(evidence: Uint8Array): Promise<string> {
    const { verifier } = this.deployed;
    return this.#verdict(await verifier.getAddress(), verifier.interface.encodeFunctionData("verify", [toHex(evidence), "0x"]));
  }

  async attestation(evidence: Uint8Array) {
    const { verifier } = this.deployed;
    return verifier.verify.staticCall(toHex(evidence), "0x", { gasLimit: CAP });
  }

  async send(evidence: Uint8Array): Promise<number> {
    const { verifier } = this.deployed;
    const [sender] = await this.connection.ethers.getSigners();
    const data = verifier.interface.encodeFunctionData("verify", [toHex(evidence), "0x"]);
    const sent = await sender!.sendTransaction({ to: await verifier.getAddress(), data, gasLimit: CAP });
    return Number((await sent.wait())!.gasUsed);
  }

  async #verdict(to: string, data: string): Promise<string> {
    try {
      await this.connection.provider.request({ method: "eth_call", params: [{ to, data, gas: "0xffffff" }, "latest"] });
      return "ok";
    } catch (error: unknown) {
      const name = /custom error '(\w+)\(/.exec(String(error))?.[1];
      if (name === undefined) throw error; // a panic, an empty revert: not a declared reason
      return name;
    }
  }

  async twinVerdict(evidence: Uint8Array): Promise<{ verdict: string; verified?: VerifiedIntel }> {
    const now = await this.now();
    return judge(() => verifyIntel(evidence, { collateral: this.twin, now }));
  }

  /** What both say. */
  async verdict(evidence: Uint8Array): Promise<string> {
    const contract = await this.contractVerdict(evidence);
    const { verdict } = await this.twinVerdict(evidence);
    if (contract !== verdict) throw new Error(`the contract says ${contract}, its twin ${verdict}`);
    return contract;
  }
}

export function judge<T>(action: () => T): { verdict: string; verified?: T } {
  try {
    return { verdict: "ok", verified: action() };
  } catch (error: unknown) {
    if (error instanceof IntelError || error instanceof NitroError) return { verdict: error.code };
    throw error; // a crash of the parser is a finding, not a verdict
  }
}
