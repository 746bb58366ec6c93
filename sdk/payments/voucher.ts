import type { Hex } from "viem";
import { typedDataHash } from "../crypto/typedData.ts";
import type { ChannelConfig } from "./types.ts";
import { X402 } from "./x402.ts";

const channelTypes = {
  ChannelConfig: [
    { name: "payer", type: "address" }, { name: "payerAuthorizer", type: "address" }, { name: "receiver", type: "address" },
    { name: "receiverAuthorizer", type: "address" }, { name: "token", type: "address" }, { name: "withdrawDelay", type: "uint40" },
    { name: "salt", type: "bytes32" },
  ],
} as const;
const voucherTypes = { Voucher: [{ name: "channelId", type: "bytes32" }, { name: "maxClaimableAmount", type: "uint128" }] } as const;

const domainOf = (chainId: number) => ({ name: "x402 Batch Settlement", version: "1", chainId, verifyingContract: X402.channels });

/** Id of an x402 channel: `paymentId` of everything paid through it. @throws Error when a field is not of its kind. */
export function channelIdOf(config: ChannelConfig, chainId: number): Hex {
  return typedDataHash({ domain: domainOf(chainId), types: channelTypes, primaryType: "ChannelConfig", message: config });
}

/** What a payer signs: the receiver may claim up to `maxClaimableAmount` of the channel, over all requests. */
export function voucherDigest(channelId: Hex, maxClaimableAmount: bigint, chainId: number): Hex {
  return typedDataHash({ domain: domainOf(chainId), types: voucherTypes, primaryType: "Voucher", message: { channelId, maxClaimableAmount } });
}
