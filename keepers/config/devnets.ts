/** Chains that exist only on a developer's machine: raw keys, a development attestation root and one RPC are allowed here. */
export const DEVNET_CHAIN_IDS: ReadonlySet<number> = new Set([31337, 713370, 713371]);

export function isDevnet(chainId: number): boolean {
  return DEVNET_CHAIN_IDS.has(chainId);
}
