import { parseAbi } from "viem";

/** The calls and events of the payment chain that payers and reports need; the contracts' interfaces are the manual. */
export const escrowAbi = parseAbi([
  "event ChannelRegistered(bytes32 indexed paymentId, bytes32 indexed termsHash, address indexed payer, address token)",
  "event TermsRegistered(bytes32 indexed termsHash, bytes32 indexed nodeId, address payout, uint16 royaltyBps, uint16 feeBps, address royaltyTo, address treasury)",
  "struct Move { bytes32 paymentId; uint128 from; uint128 to; }",
  "event Released(bytes32 indexed cause, Move[] moves, uint256 fee, uint256 royalty)",
  "event Refunded(bytes32 indexed cause, Move[] moves)",
  "function ack(bytes32 paymentId, uint128 cumulative, bytes signature) returns (uint256)",
  "function sync(bytes32[] paymentIds) returns (uint8[])",
  "function refundExpired(bytes32 paymentId) returns (uint256)",
  "function collect(bytes32[] termsHashes, address token)",
  "function sharesOf(bytes32 termsHash, address token) view returns ((uint128 fee, uint128 royalty))",
  "function withdraw(address beneficiary, address token) returns (uint256)",
  "function credit(address beneficiary, address token) view returns (uint256)",
  "function lineOf(bytes32 paymentId) view returns ((uint96 settledUpTo, uint88 held, uint32 markedAt, uint32 markedAlive, uint8 flags))",
  "function channelOf(bytes32 paymentId) view returns ((address payer, address payerAuthorizer, address token, bytes32 termsHash, bool isPrivate))",
]);

export const lensAbi = parseAbi([
  "function moneyOf(address escrow, bytes32 paymentId) view returns ((uint256 totalClaimed, uint256 settledUpTo, uint256 held, uint256 mark, uint256 wait))",
]);

export const channelsAbi = parseAbi([
  "struct ChannelConfig { address payer; address payerAuthorizer; address receiver; address receiverAuthorizer; address token; uint40 withdrawDelay; bytes32 salt; }",
  "function channels(bytes32 channelId) view returns (uint128 balance, uint128 totalClaimed)",
  "function pendingWithdrawals(bytes32 channelId) view returns (uint128 amount, uint40 initiatedAt)",
  "function refundNonce(bytes32 channelId) view returns (uint256)",
  "function receivers(address receiver, address token) view returns (uint128 totalClaimed, uint128 totalSettled)",
  "function initiateWithdraw(ChannelConfig config, uint128 amount)",
  "function finalizeWithdraw(ChannelConfig config)",
]);

export const erc20Abi = parseAbi([
  "event Transfer(address indexed from, address indexed to, uint256 value)",
  "function balanceOf(address account) view returns (uint256)",
]);

/** The channel contract, the same on every chain. */
export const X402_CHANNELS = "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003";
