/**
 * The payment chain's contracts, in order. Every step looks first whether it is done: a second run sends nothing.
 *   1 x402 twins, Permit2, Multicall3 and a test dollar (devnets; elsewhere they are given)   2 AccessManager
 *   3 SettlementInbox   4 PaymentEscrow   5 EscrowLens, EscrowHealth   6 release cap of the payment token
 * The first committee is named later, when the full nodes are registered: `bootstrapInbox`.
 */
import { type Address, zeroAddress } from "viem";
import { type DeployChain, artifact } from "./chain.ts";
import { X402 } from "../../sdk/payments/x402.ts";
import { placeX402 } from "./x402.ts";

/** Seconds. Mainnet's values; a devnet divides them by 1,440 (a day is a minute). */
export interface PaymentTimes {
  refund: number;
  silence: number;
  stopMax: number;
  grace: number;
  epochLife: number;
  minWithdrawDelay: number;
}

const DAY = 86_400;

export const MAINNET_TIMES: PaymentTimes = {
  refund: 7 * DAY,
  silence: DAY,
  stopMax: 30 * DAY,
  grace: 2 * DAY,
  epochLife: 14 * DAY,
  minWithdrawDelay: DAY,
};

/** A day is a minute, but a channel's withdraw delay cannot be below the channel contract's 15 minutes. */
export const DEVNET_TIMES: PaymentTimes = {
  refund: 7 * 60,
  silence: 60,
  stopMax: 30 * 60,
  grace: 2 * 60,
  // Long enough for a demo that is left running without rotations.
  epochLife: 24 * 3_600,
  minWithdrawDelay: 900,
};

export interface PaymentAddresses {
  AccessManager: Address;
  SettlementInbox: Address;
  PaymentEscrow: Address;
  EscrowLens: Address;
  EscrowHealth: Address;
  X402Channels: Address;
  /** The payment token. */
  TestDollar: Address;
}

export interface PaymentDeployment {
  settlement: { chainId: number; address: Address };
  /** A devnet's or mainnet's, by the chain, when absent. */
  times?: PaymentTimes;
  feeBps?: number;
  treasury?: Address;
  /** A token that exists; on devnets a TestDollar is deployed when absent. */
  token?: Address;
  /** Token units behind one unit of stake: the release cap of an epoch is a third of its stake in the token. */
  unitsPerStake?: bigint;
  /** Addresses of an earlier run. */
  known?: Partial<PaymentAddresses>;
  onStep?(name: string, address: Address): void;
}

export async function deployPayment(chain: DeployChain, options: PaymentDeployment): Promise<PaymentAddresses> {
  const times = options.times ?? (chain.isDevnet ? DEVNET_TIMES : MAINNET_TIMES);
  const known = options.known ?? {};
  if (!chain.isDevnet && !options.token) throw new Error(`chain ${chain.chainId} is public: name its payment token; a TestDollar is for devnets.`);
  const step = async (name: keyof PaymentAddresses, args: readonly unknown[], contract: string = name) => {
    const before = known[name];
    if (before && (await chain.hasCode(before))) return before;
    const { abi, bytecode } = artifact(contract);
    const address = await chain.deploy(abi, bytecode, args);
    options.onStep?.(name, address);
    return address;
  };

  await placeX402(chain);
  const token = options.token ?? (await step("TestDollar", []));
  const manager = await step("AccessManager", [chain.deployer]);
  const inbox = await step("SettlementInbox", [
    BigInt(options.settlement.chainId),
    options.settlement.address,
    chain.deployer,
    { silence: times.silence, stopMax: times.stopMax, grace: times.grace, epochLife: times.epochLife },
  ]);
  const escrow = await step("PaymentEscrow", [
    {
      authority: manager,
      channelContract: X402.channels,
      inbox,
      treasury: options.treasury ?? chain.deployer,
      feeBps: options.feeBps ?? 100,
      refundTime: times.refund,
      minWithdrawDelay: times.minWithdrawDelay,
    },
  ]);
  const lens = await step("EscrowLens", []);
  const health = await step("EscrowHealth", []);
  await setStakePrice(chain, escrow, token, options.unitsPerStake ?? 1n);
  return {
    AccessManager: manager,
    SettlementInbox: inbox,
    PaymentEscrow: escrow,
    EscrowLens: lens,
    EscrowHealth: health,
    X402Channels: X402.channels,
    TestDollar: token,
  };
}

/** Where a node's unprotected payments go. One per node; its payout and fee never change. */
export async function deployVault(
  chain: DeployChain,
  vault: { nodeId: `0x${string}`; payout: Address; treasury: Address; feeBps: number },
): Promise<Address> {
  const { abi, bytecode } = artifact("NodeVault");
  return chain.deploy(abi, bytecode, [vault.nodeId, vault.payout, vault.treasury, vault.feeBps]);
}

/**
 * Optional: an escrow for routed `upto` payments, beside the one for channels and on the same inbox. Its channel contract is UptoChannels;
 * a node makes its routes there itself.
 */
export async function deployRoutedUpto(
  chain: DeployChain,
  on: Pick<PaymentAddresses, "AccessManager" | "SettlementInbox" | "TestDollar"> & {
    times?: PaymentTimes; feeBps?: number; treasury?: Address; unitsPerStake?: bigint; known?: { UptoChannels?: Address; UptoEscrow?: Address };
  },
): Promise<{ UptoChannels: Address; UptoEscrow: Address }> {
  const step = async (before: Address | undefined, contract: string, args: readonly unknown[]) => {
    if (before && (await chain.hasCode(before))) return before;
    const { abi, bytecode } = artifact(contract);
    return chain.deploy(abi, bytecode, args);
  };
  const times = on.times ?? (chain.isDevnet ? DEVNET_TIMES : MAINNET_TIMES);
  const channels = await step(on.known?.UptoChannels, "UptoChannels", []);
  const escrow = await step(on.known?.UptoEscrow, "PaymentEscrow", [
    {
      authority: on.AccessManager,
      channelContract: channels,
      inbox: on.SettlementInbox,
      treasury: on.treasury ?? chain.deployer,
      feeBps: on.feeBps ?? 100,
      refundTime: times.refund,
      minWithdrawDelay: times.minWithdrawDelay,
    },
  ]);
  await setStakePrice(chain, escrow, on.TestDollar, on.unitsPerStake ?? 1n);
  return { UptoChannels: channels, UptoEscrow: escrow };
}

export interface CommitteeSeat {
  signer: Address;
  stake: bigint;
}

/** Names the first committee. @returns false when the inbox has one already. */
export async function bootstrapInbox(chain: DeployChain, inbox: Address, epoch: bigint, members: readonly CommitteeSeat[]): Promise<boolean> {
  const { abi } = artifact("SettlementInbox");
  if ((await chain.read(inbox, abi, "currentEpoch")) !== 0n) return false;
  const sorted = [...members].sort((a, b) => (BigInt(a.signer) < BigInt(b.signer) ? -1 : 1));
  await chain.write(inbox, abi, "bootstrap", [epoch, sorted]);
  return true;
}

/** Once per token and escrow; a probe of one wei of stake tells whether it is done. */
async function setStakePrice(chain: DeployChain, escrow: Address, token: Address, unitsPerStake: bigint): Promise<void> {
  if (token === zeroAddress) return;
  const { abi } = artifact("IPaymentEscrow");
  const set = (await chain.read(escrow, abi, "stakePriceOf", [token])) as bigint;
  if (set === 0n) await chain.write(escrow, abi, "setStakePrice", [token, unitsPerStake << 64n]);
}
