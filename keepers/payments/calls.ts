import type { Channel } from "@x402/evm/batch-settlement/server";
import { type Address, type Hex, concatHex, encodeFunctionData, encodePacked, isAddressEqual, parseAbi, size } from "viem";
import type { Terms } from "../../sdk/protocol/index.ts";
import type { BookedChannel } from "./book.ts";

const abi = parseAbi([
  "struct ChannelConfig { address payer; address payerAuthorizer; address receiver; address receiverAuthorizer; address token; uint40 withdrawDelay; bytes32 salt; }",
  "struct Voucher { ChannelConfig channel; uint128 maxClaimableAmount; }",
  "struct VoucherClaim { Voucher voucher; bytes signature; uint128 totalClaimed; }",
  "struct Terms { bytes32 nodeId; address payout; uint8 settlementMode; uint8 verification; bytes32 tariffHash; bytes32 policyId; address royaltyTo; uint16 royaltyBps; uint16 feeBpsCap; address inbox; }",
  "function register(ChannelConfig config, Terms terms, bytes32 clientNonce) returns (bytes32)",
  "function registerDefault(ChannelConfig config) returns (bytes32)",
  "function setDefaultTerms(Terms terms)",
  "struct ClaimShape { address receiverAuthorizer; address token; uint40 withdrawDelay; }",
  "function claim(VoucherClaim[] rows, bytes authorization) returns (uint8[])",
  "function claimPacked(ClaimShape shape, bytes rows, bytes authorization) returns (uint8[])",
  "function ack(bytes32 paymentId, uint128 cumulative, bytes signature) returns (uint256)",
  "function collect(bytes32[] termsHashes, address token)",
  "function withdraw(address beneficiary, address token) returns (uint256)",
  "struct Call3 { address target; bool allowFailure; bytes callData; }",
  "struct Result { bool success; bytes returnData; }",
  "function aggregate3(Call3[] calls) payable returns (Result[])",
]);

export const MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11";

const configOf = (config: Channel["channelConfig"]) => ({ ...config, withdrawDelay: Number(config.withdrawDelay) });

/** The row that claims what was charged: never the voucher's ceiling. */
export function rowOf(channel: Channel) {
  return {
    voucher: { channel: configOf(channel.channelConfig), maxClaimableAmount: BigInt(channel.signedMaxClaimable) },
    signature: channel.signature as Hex,
    totalClaimed: BigInt(channel.chargedCumulativeAmount),
  };
}

export function registerCall(channel: BookedChannel, terms: Terms | undefined): Hex {
  const config = configOf(channel.channelConfig);
  if (BigInt(config.salt) === 0n || !terms) return encodeFunctionData({ abi, functionName: "registerDefault", args: [config] });
  return encodeFunctionData({ abi, functionName: "register", args: [config, terms, channel.clientNonce!] });
}

export function setDefaultTermsCall(terms: Terms): Hex {
  return encodeFunctionData({ abi, functionName: "setDefaultTerms", args: [terms] });
}

export type ClaimCallRow = ReturnType<typeof rowOf>;

/** Rows of one token and withdraw delay go packed, in half of the calldata; so do most of a node, unless a payer has another key sign or is a contract. */
export function claimCall(rows: readonly ClaimCallRow[], authorization: Hex): Hex {
  const [first] = rows;
  const shape = first && shapeOf(first);
  if (!shape || rows.some((row) => !packs(row, shape))) return encodeFunctionData({ abi, functionName: "claim", args: [rows, authorization] });
  return encodeFunctionData({ abi, functionName: "claimPacked", args: [shape, packRows(rows), authorization] });
}

/** 149 bytes a row, as IPaymentEscrow.claimPacked says. */
export function packRows(rows: readonly ClaimCallRow[]): Hex {
  return concatHex(rows.map(({ voucher: { channel, maxClaimableAmount }, signature, totalClaimed }) =>
    encodePacked(
      ["address", "bytes32", "uint128", "uint128", "bytes"],
      [channel.payer, channel.salt, maxClaimableAmount, totalClaimed, signature],
    ),
  ));
}

function shapeOf({ voucher: { channel } }: ClaimCallRow) {
  return { receiverAuthorizer: channel.receiverAuthorizer, token: channel.token, withdrawDelay: channel.withdrawDelay };
}

function packs(row: ClaimCallRow, shape: ReturnType<typeof shapeOf>): boolean {
  const own = shapeOf(row);
  const { payer, payerAuthorizer } = row.voucher.channel;
  return size(row.signature) === 65 && isAddressEqual(payer, payerAuthorizer) && isAddressEqual(own.receiverAuthorizer, shape.receiverAuthorizer)
    && isAddressEqual(own.token, shape.token) && own.withdrawDelay === shape.withdrawDelay;
}

/** Credits the fees and royalties that releases under these terms have set aside. */
export function collectCall(termsHashes: readonly Hex[], token: Address): Hex {
  return encodeFunctionData({ abi, functionName: "collect", args: [termsHashes, token] });
}

export function ackCall(paymentId: Hex, cumulative: bigint, signature: Hex): Hex {
  return encodeFunctionData({ abi, functionName: "ack", args: [paymentId, cumulative, signature] });
}

export function withdrawCall(beneficiary: Address, token: Address): Hex {
  return encodeFunctionData({ abi, functionName: "withdraw", args: [beneficiary, token] });
}

/** Several calls that anyone may make, in one transaction; one that fails does not stop the others. */
export function together(target: Address, calls: readonly Hex[]): Hex {
  return encodeFunctionData({ abi, functionName: "aggregate3", args: [calls.map((callData) => ({ target, allowFailure: true, callData }))] });
}
