/** What an Intel quote costs on chain: the whole transaction, and what bringing its collateral costs once a month. */
import { existsSync, readFileSync } from "node:fs";

import type { NetworkManager } from "hardhat/types/network";

import { DevelopmentPlatform } from "../../../keepers/attestation/development/intel.ts";
import { INTEL_SGX_ROOT, bundleOf, collateralCalls, joinEvidence, openQuote } from "../../../sdk/attestation/intel/index.ts";
import type { CollateralBundle, CollateralJson, Hex } from "../../../sdk/attestation/intel/index.ts";

/** A genuine TDX quote and its collateral. Beside the project, not in it. */
const REAL = { file: "tdx-v4-b0c06f000000-f1c85033.bin", collateral: "collateral/phala/tdx_quote_collateral.json", now: 1_750_377_600 };
const VECTORS = new URL("../../../../shared/vectors/tdx/", import.meta.url);
const CAP = 16_777_216n;

export interface TdxCost {
  /** "Intel 2025" or "simulated". */
  quote: string;
  /** Gas of the whole transaction, collateral on record. */
  verify: number;
  evidenceBytes: number;
  /** Gas of each upsert, in the order of `collateralCalls`. */
  collateral: { call: string; gas: number }[];
}

function sample(): { title: string; evidence: Uint8Array; bundle: CollateralBundle; root: Hex; now: number } {
  const file = new URL(REAL.file, VECTORS);
  if (existsSync(file)) {
    const { evidence } = openQuote(new Uint8Array(readFileSync(file)));
    const json = JSON.parse(readFileSync(new URL(REAL.collateral, VECTORS), "utf8")) as CollateralJson;
    return { title: "Intel 2025", evidence, bundle: bundleOf(json, INTEL_SGX_ROOT), root: INTEL_SGX_ROOT, now: REAL.now };
  }
  const platform = new DevelopmentPlatform(1_800_000_000);
  const evidence = joinEvidence(platform.seal(platform.draft()));
  return { title: "simulated", evidence, bundle: platform.bundle(), root: platform.root, now: platform.now };
}

export async function measureTdx(network: NetworkManager): Promise<TdxCost> {
  const { title, evidence, bundle, root, now } = sample();
  const { ethers, networkHelpers } = await network.create({
    network: "default",
    override: { initialDate: new Date((now - 60) * 1000).toISOString() },
  });
  const [sender] = await ethers.getSigners();
  const statements = await ethers.deployContract("IntelStatements");
  const collateral = await ethers.deployContract("IntelCollateral", [root, statements]);
  const verifier = await ethers.deployContract("TdxVerifier", [collateral]);
  await networkHelpers.time.increaseTo(now);

  const send = async (to: string, data: string): Promise<number> => {
    const sent = await sender!.sendTransaction({ to, data, gasLimit: CAP });
    return Number((await sent.wait())!.gasUsed);
  };
  const costs: TdxCost["collateral"] = [];
  for (const { functionName, args } of collateralCalls(bundle)) {
    const data = collateral.interface.encodeFunctionData(functionName as "upsertCertificate", args as unknown as [string]);
    costs.push({ call: functionName, gas: await send(await collateral.getAddress(), data) });
  }
  const data = verifier.interface.encodeFunctionData("verify", [`0x${Buffer.from(evidence).toString("hex")}`, "0x"]);
  const verify = await send(await verifier.getAddress(), data);
  return { quote: title, verify, evidenceBytes: evidence.length, collateral: costs };
}
