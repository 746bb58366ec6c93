import { NitroError } from "./errors.ts";
import type { Hex } from "./verify.ts";

/**
 * keccak256 of the root certificate of the commercial AWS partition ("aws.nitro-enclaves", valid to 2049; its SHA-256, which
 * AWS publishes, is 641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b). GovCloud and China have roots of
 * their own: pin one per partition.
 */
export const AWS_NITRO_ROOT: Hex = "0x311d96fcd5c5e0ccf72ef548e2ea7d4c0cd53ad7c4cc49e67471aed41d61f185";

/** Chains that live on one machine. Nothing of value is there, and nobody else can reach it. */
export const DEVNET_CHAIN_IDS: readonly number[] = [31337, 713370, 713371];

/** The root that a deployment pins: that of AWS, or one for development, which no chain but a devnet may name. */
export function rootFor(chainId: number, developmentRoot?: Hex): Hex {
  if (developmentRoot === undefined) return AWS_NITRO_ROOT;
  if (!DEVNET_CHAIN_IDS.includes(chainId)) throw new NitroError("NitroDevelopmentRoot", { chainId, developmentRoot });
  return developmentRoot;
}
