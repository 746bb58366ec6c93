import { expect } from "chai";

import { encodeKey, keccak } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { DEVELOPMENT_TRAPDOOR, makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { Q } from "../../../circuits/setup/field.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import type { VerifyingKey } from "../../../circuits/setup/zkey.ts";
import type { Trapdoor } from "../../../circuits/setup/qap.ts";
import { CACHE } from "../../circuits/setup/tools.ts";
import { deploy, strayG2 } from "./tools.ts";

/** Secrets of a party that is not the development set-up; level 1. */
const PARTY: Trapdoor = { tau: 11n, alpha: 12n, beta: 13n, gamma: 1n, delta: 14n };
const TRANSCRIPT = `0x${"11".repeat(32)}`;

describe("Groth16Keys", () => {
  let deployed: Awaited<ReturnType<typeof deploy>>;
  let party: VerifyingKey;

  async function keyOf(trapdoor: Trapdoor, name: string): Promise<VerifyingKey> {
    await makeDevelopmentKey(deployed.circuit.r1cs, `${CACHE}/${name}.zkey`, trapdoor);
    return readVerifyingKey(`${CACHE}/${name}.zkey`);
  }

  before(async () => {
    deployed = await deploy();
    party = await keyOf(PARTY, "party");
  });

  const register = (key: VerifyingKey | Hex) => deployed.keys.register(typeof key === "string" ? key : encodeKey(key));
  const refused = (key: VerifyingKey | Hex, error: string, ...values: unknown[]) =>
    expect(register(key)).to.be.revertedWithCustomError(deployed.keys, error).withArgs(...values);

  describe("a development key", () => {
    it("has level 0 for ever", async () => {
      const { keys, circuit } = deployed;
      const { vkHash } = circuit.files.manifest;
      expect(await keys.setupLevel(vkHash)).to.equal(0n);
      await expect(keys.attestCeremony(vkHash, TRANSCRIPT)).to.be.revertedWithCustomError(keys, "Groth16KeyNotAttestable").withArgs(vkHash, 0);
    });

    it("is refused on any chain that is not a development network", async () => {
      const { keys, circuit, connection } = deployed;
      const { ethers, provider } = connection;
      // Another network object: the chain id is fixed at its creation.
      expect((await ethers.provider.getNetwork()).chainId).to.equal(31337n);
      const code = await provider.request({ method: "eth_getCode", params: [await keys.getAddress(), "latest"] });
      const other = await (await import("hardhat")).network.create({ network: "default", override: { chainId: 8453 } });
      await other.provider.request({ method: "hardhat_setCode", params: [await keys.getAddress(), code] });
      const there = await other.ethers.getContractAt("Groth16Keys", await keys.getAddress());
      await expect(there.register(circuit.files.keyBytes)).to.be.revertedWithCustomError(there, "Groth16KeyDevelopment").withArgs(8453);
      // The same registry takes another party's key there.
      await expect(there.register(encodeKey(party))).to.emit(there, "Groth16KeyRegistered");
    });

    for (const name of ["alpha", "beta", "delta"] as const) {
      it(`is recognised by its ${name} alone`, async () => {
        const key = await keyOf({ ...PARTY, [name]: DEVELOPMENT_TRAPDOOR[name] }, `shared-${name}`);
        await (await register(key)).wait();
        expect(await deployed.keys.setupLevel(keccak(encodeKey(key)))).to.equal(0n);
      });
    }
  });

  describe("another party's key", () => {
    let vkHash: Hex;

    before(() => {
      vkHash = keccak(encodeKey(party));
    });

    it("has level 1, and its verifier at the address that the event names", async () => {
      const { keys } = deployed;
      await expect(register(party)).to.emit(keys, "Groth16KeyRegistered").withArgs(vkHash, (at: string) => at.startsWith("0x"), 3, 1);
      expect(await keys.setupLevel(vkHash)).to.equal(1n);
      const verifier = await keys.verifierOf(vkHash);
      expect(await keys.isVerifier(verifier)).to.equal(true);
      expect(await keys.isVerifier(await keys.getAddress())).to.equal(false);
    });

    it("is registered once", async () => {
      await refused(party, "Groth16KeyKnown", vkHash, await deployed.keys.verifierOf(vkHash));
    });

    it("rises to level 2 only by the authority, once, with a transcript", async () => {
      const { keys, ethers } = deployed;
      const [, stranger] = await ethers.getSigners();
      await expect(keys.connect(stranger!).attestCeremony(vkHash, TRANSCRIPT)).to.be.revertedWithCustomError(keys, "AccessManagedUnauthorized");
      await expect(keys.attestCeremony(vkHash, `0x${"00".repeat(32)}`)).to.be.revertedWithCustomError(keys, "Groth16TranscriptMissing");
      await expect(keys.attestCeremony(vkHash, TRANSCRIPT)).to.emit(keys, "Groth16CeremonyAttested").withArgs(vkHash, TRANSCRIPT);
      expect(await keys.setupLevel(vkHash)).to.equal(2n);
      expect(await keys.transcriptHash(vkHash)).to.equal(TRANSCRIPT);
      await expect(keys.attestCeremony(vkHash, TRANSCRIPT)).to.be.revertedWithCustomError(keys, "Groth16KeyNotAttestable").withArgs(vkHash, 2);
    });

    it("that is not registered has no level", async () => {
      const unknown = `0x${"22".repeat(32)}`;
      await expect(deployed.keys.setupLevel(unknown)).to.be.revertedWithCustomError(deployed.keys, "Groth16KeyUnknown").withArgs(unknown);
      await expect(deployed.keys.attestCeremony(unknown, TRANSCRIPT)).to.be.revertedWithCustomError(deployed.keys, "Groth16KeyUnknown");
    });
  });

  describe("refuses a key", () => {
    it("whose delta is the generator: nobody has contributed", async () => {
      await refused(await keyOf({ ...PARTY, delta: 1n, gamma: 5n }, "bare"), "Groth16KeyDeltaIsGenerator");
    });

    it("whose gamma equals delta", async () => {
      await refused(await keyOf({ ...PARTY, gamma: 14n }, "equal"), "Groth16KeyGammaIsDelta");
    });

    it("with no IC point, half a point, or too many", async () => {
      const bytes = encodeKey(party);
      await refused(bytes.slice(0, 2 + 2 * 448) as Hex, "Groth16KeyLength", 448);
      await refused(bytes.slice(0, 2 + 2 * 512) as Hex, "Groth16KeyLength", 512);
      await refused(bytes.slice(0, -2) as Hex, "Groth16KeyLength", 448 + 4 * 64 - 1);
      await refused("0x", "Groth16KeyLength", 0);
      await refused(`0x${bytes.slice(2)}${"00".repeat(64 * 254)}`, "Groth16KeyInputs", 257, 256);
    });

    it("with an IC point at infinity or off the curve", async () => {
      for (const point of [[0n, 0n], [1n, 1n], [1n + Q, 2n]] as const) {
        await refused({ ...party, ic: [party.ic[0]!, point, party.ic[2]!, party.ic[3]!] }, "Groth16KeyPoint", 5);
      }
    });

    it("with two equal IC points", async () => {
      await refused({ ...party, ic: [party.ic[0]!, party.ic[1]!, party.ic[1]!, party.ic[3]!] }, "Groth16KeyIcRepeated", 1, 2);
    });

    it("with a head point at infinity, off the curve or outside of the subgroup", async () => {
      const stray = strayG2();
      const bad: [keyof VerifyingKey, number, VerifyingKey["beta"] | VerifyingKey["alpha"]][] = [
        ["alpha", 0, [0n, 0n]],
        ["alpha", 0, [1n, 1n]],
        ["beta", 1, [[0n, 0n], [0n, 0n]]],
        ["gamma", 2, [[1n, 2n], [3n, 4n]]],
        ["delta", 3, [[stray[1], stray[0]], [stray[3], stray[2]]]],
      ];
      for (const [name, index, point] of bad) await refused({ ...party, [name]: point }, "Groth16KeyPoint", index);
    });
  });
});
