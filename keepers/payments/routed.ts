import type { FacilitatorEvmSigner } from "@x402/evm";
import { type Address, type Hex, type PublicClient, isAddressEqual } from "viem";
import { X402 } from "../../sdk/payments/x402.ts";
import { iUptoRouteAbi } from "../../types/abi/IUptoRoute.ts";

/**
 * A facilitator's signer that lets the official `upto` classes settle through a route: the route is the facilitator that payers name,
 * asks of the proxy are simulated as from it, and a settlement goes to the route, which has the proxy's own calls.
 *
 * @param signer Of the route's operator.
 * @param route Made by UptoChannels for the operator, its terms and the escrow.
 */
export function routedSigner(signer: FacilitatorEvmSigner, client: PublicClient, route: Address): FacilitatorEvmSigner {
  const isProxy = (address: Hex) => isAddressEqual(address, X402.uptoProxy);
  return {
    ...signer,
    getAddresses: () => [route],
    readContract: (args) => (isProxy(args.address) ? client.readContract({ ...args, account: route } as never) : signer.readContract(args)),
    writeContract: (args) => signer.writeContract(isProxy(args.address) ? { ...args, address: route, abi: iUptoRouteAbi } : args),
  };
}
