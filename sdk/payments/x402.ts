import type { Address } from "viem";

/** Canonical addresses of the x402 contracts and what they stand on, the same on every chain. */
export const X402 = {
  channels: "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003",
  erc3009Collector: "0x4020806089470a89826cB9fB1f4059150b550004",
  permit2Collector: "0x4020425FAf3B746C082C2f942b4E5159887B0005",
  exactProxy: "0x402085c248EeA27D92E8b30b2C58ed07f9E20001",
  uptoProxy: "0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002",
  permit2: "0x000000000022D473030F116dDEE9F6B43aC78BA3",
  multicall3: "0xcA11bde05977b3631167028862bE2a173976CA11",
} as const satisfies Record<string, Address>;
