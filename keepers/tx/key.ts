import { type Address, type Hex, encodeAbiParameters, keccak256 } from "viem";

/** The idempotency key of an intent: what is done to which subject, in which epoch of trying. */
export function intentKey(role: string, chainId: number, contract: Address, method: string, subject: Hex | string, epoch: bigint | number = 0): Hex {
  return keccak256(
    encodeAbiParameters(
      [{ type: "string" }, { type: "uint256" }, { type: "address" }, { type: "string" }, { type: "string" }, { type: "uint256" }],
      [role, BigInt(chainId), contract, method, subject, BigInt(epoch)],
    ),
  );
}
