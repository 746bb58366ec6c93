import { type Address, type Hex, encodeAbiParameters, keccak256, toBytes } from "viem";

/** What the payer signs when it opens a channel; fields as in contracts/types/Terms.sol. */
export interface Terms {
  nodeId: Hex;
  payout: Address;
  /** See `SettlementMode`. */
  settlementMode: number;
  /** See `Verification`. */
  verification: number;
  tariffHash: Hex;
  policyId: Hex;
  royaltyTo: Address;
  /** Hundredths of a percent of the gross charge. */
  royaltyBps: number;
  feeBpsCap: number;
  inbox: Address;
}

const TERMS_TYPEHASH = keccak256(
  toBytes(
    "Terms(bytes32 nodeId,address payout,uint8 settlementMode,uint8 verification,bytes32 tariffHash,bytes32 policyId," +
      "address royaltyTo,uint16 royaltyBps,uint16 feeBpsCap,address inbox)",
  ),
);
const SALT_TYPEHASH = keccak256(toBytes("ChannelSalt(bytes32 termsHash,bytes32 clientNonce)"));

/** What offers and receipts carry. */
export function termsHash(terms: Terms): Hex {
  return keccak256(
    encodeAbiParameters(
      ["bytes32", "bytes32", "address", "uint8", "uint8", "bytes32", "bytes32", "address", "uint16", "uint16", "address"].map((type) => ({ type })),
      [
        TERMS_TYPEHASH,
        terms.nodeId,
        terms.payout,
        terms.settlementMode,
        terms.verification,
        terms.tariffHash,
        terms.policyId,
        terms.royaltyTo,
        terms.royaltyBps,
        terms.feeBpsCap,
        terms.inbox,
      ],
    ),
  );
}

/** What the payer puts into the x402 channel's `salt`: mode, payout, royalty, tariff, policy and inbox become immutable. */
export function channelSalt(hashOfTerms: Hex, clientNonce: Hex): Hex {
  return keccak256(
    encodeAbiParameters([{ type: "bytes32" }, { type: "bytes32" }, { type: "bytes32" }], [SALT_TYPEHASH, hashOfTerms, clientNonce]),
  );
}
