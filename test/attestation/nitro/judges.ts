/** Asks both verifiers, the contract and its twin, and demands one answer. */
import { expect } from "chai";

import { NitroError, encodeStatements, openNitro, toHex, verifyNitro, walkChain } from "../../../sdk/attestation/nitro/index.ts";
import type { Hex, NitroOptions, VerifiedNitro } from "../../../sdk/attestation/nitro/index.ts";
import { chainAt, deployNitro } from "./chain.ts";
import type { Connection, Deployed } from "./chain.ts";

/** The name of an error, or "ok". */
export type Verdict = string;

export function twinVerdict(document: Uint8Array, options: NitroOptions): { verdict: Verdict; verified?: VerifiedNitro } {
  try {
    return { verdict: "ok", verified: verifyNitro(document, options) };
  } catch (error: unknown) {
    if (error instanceof NitroError) return { verdict: error.code };
    throw error; // a crash of the parser is a finding, not a verdict
  }
}

export class Judges {
  readonly connection: Connection;
  readonly deployed: Deployed;
  readonly root: Hex;
  readonly now: number;

  private constructor(connection: Connection, deployed: Deployed, root: Hex, now: number) {
    this.connection = connection;
    this.deployed = deployed;
    this.root = root;
    this.now = now;
  }

  static async at(now: number, root: Hex): Promise<Judges> {
    const connection = await chainAt(now);
    const deployed = await deployNitro(connection, root);
    await connection.networkHelpers.time.increaseTo(now);
    return new Judges(connection, deployed, root, now);
  }

  async #time(): Promise<number> {
    return this.connection.networkHelpers.time.latest();
  }

  /** The contract's word, with the ledger told of whatever the twin found to be signed. */
  async contractVerdict(document: Uint8Array, hints: Hex = "0x0100"): Promise<Verdict> {
    const { verifier } = this.deployed;
    const data = verifier.interface.encodeFunctionData("verify", [toHex(document), hints]);
    try {
      const call = { to: await verifier.getAddress(), data, gas: "0xffffff" };
      await this.connection.provider.request({ method: "eth_call", params: [call, "latest"] });
      return "ok";
    } catch (error: unknown) {
      const name = /custom error '(\w+)\(/.exec(String(error))?.[1];
      if (name === undefined) throw error; // a panic, an empty revert: not a declared reason
      return name.startsWith("P384") ? "NitroSignature" : name;
    }
  }

  async accept(document: Uint8Array): Promise<void> {
    const { statements } = walkChain(openNitro(document, this.root));
    await this.deployed.p384.accept(encodeStatements(statements));
  }

  /** The facts that both find. */
  async attestation(document: Uint8Array): Promise<VerifiedNitro["attestation"]> {
    const { verified } = twinVerdict(document, { root: this.root, now: await this.#time() });
    if (verified === undefined) throw new Error("the twin refuses the document");
    await this.accept(document);
    const found = await this.deployed.verifier.verify.staticCall(toHex(document), "0x0100");
    for (const [name, value] of Object.entries(verified.attestation)) {
      const onChain: unknown = found[name as keyof typeof verified.attestation];
      expect(onChain, name).to.equal(typeof value === "number" ? BigInt(value) : value);
    }
    return verified.attestation;
  }

  /** What both say. The ledger learns only what the twin verified in full. */
  async verdict(document: Uint8Array): Promise<Verdict> {
    const twin = twinVerdict(document, { root: this.root, now: await this.#time() });
    if (twin.verdict === "ok") await this.accept(document);
    const contract = await this.contractVerdict(document);
    expect(contract, "contract and twin").to.equal(twin.verdict);
    return contract;
  }
}
