import type { Address } from "viem";

/** Where a signed object is valid: the settlement contract (or registry) on its chain. */
export interface ProtocolDomain {
  chainId: number;
  verifyingContract: Address;
}

/** The EIP-712 domain of every signed object of the protocol; contracts/libraries/ProtocolDomain.sol. */
export function eip712Domain({ chainId, verifyingContract }: ProtocolDomain) {
  return { name: "OpenGradient", version: "1", chainId, verifyingContract } as const;
}
