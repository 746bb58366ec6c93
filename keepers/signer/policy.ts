import { type Address, type Hex, isAddressEqual } from "viem";
import { fatal } from "../errors/index.ts";

/** A transaction as the signer sees it. Always EIP-1559. */
export interface UnsignedTransaction {
  chainId: number;
  to: Address;
  data: Hex;
  value: bigint;
  nonce: number;
  gas: bigint;
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

/** One thing that the key may do. What no rule allows is not signed, whoever asks. */
export interface PolicyRule {
  chainId: number;
  to: Address;
  /** Four bytes of the method; "0x" for a plain transfer. */
  selector: Hex;
  /** For people reading a refusal. */
  name?: string;
  /** Default 0. */
  maxValue?: bigint;
  /** Most that gas x maxFeePerGas may come to; default: the policy's. */
  maxFee?: bigint;
}

export interface Policy {
  rules: readonly PolicyRule[];
  /** Most that gas x maxFeePerGas of any transaction may come to. */
  maxFee: bigint;
}

/**
 * Refuses what no rule allows. An empty self transfer is always allowed: it is how a nonce is freed.
 * @throws `signer.policy_denied`
 */
export function assertAllowed(policy: Policy, from: Address, tx: UnsignedTransaction): void {
  const fee = tx.gas * tx.maxFeePerGas;
  const selector = tx.data.length > 2 ? tx.data.slice(0, 10).toLowerCase() : "0x";
  const details = { chainId: tx.chainId, to: tx.to, selector, value: tx.value, fee };
  if (fee > policy.maxFee) throw fatal("signer.policy_denied", `The fee ${fee} is above the cap ${policy.maxFee}.`, details);
  if (isAddressEqual(tx.to, from) && tx.value === 0n && tx.data === "0x") return;
  const rule = policy.rules.find(
    (item) => item.chainId === tx.chainId && isAddressEqual(item.to, tx.to) && item.selector.toLowerCase() === selector,
  );
  if (!rule) throw fatal("signer.policy_denied", `No rule allows ${selector} at ${tx.to} on chain ${tx.chainId}.`, details);
  if (tx.value > (rule.maxValue ?? 0n)) throw fatal("signer.policy_denied", `The value ${tx.value} is above the rule's ${rule.maxValue ?? 0n}.`, details);
  if (rule.maxFee !== undefined && fee > rule.maxFee) throw fatal("signer.policy_denied", `The fee ${fee} is above the rule's ${rule.maxFee}.`, details);
}
