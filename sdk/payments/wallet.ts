import { type Account, type Address, type Hex, type PublicClient, type TransactionReceipt, type WalletClient, encodeAbiParameters, keccak256, toHex } from "viem";
import { x402ChannelsAbi } from "../../types/abi/X402Channels.ts";
import { channelsAbi, erc20Abi, escrowAbi, lensAbi } from "./abi.ts";
import { owedTo } from "./credit.ts";
import type { ChannelRecord } from "./channels.ts";
import { X402 } from "./x402.ts";

/** A payer's or an operator's account on the payment chain, with what it needs to send. */
export interface MoneyAccount {
  client: PublicClient;
  wallet: WalletClient;
  account: Account;
  escrow: Address;
  lens: Address;
  /** With its EIP-712 domain and decimals. */
  token: { address: Address; name: string; version: string; symbol: string; decimals: number };
}

/** Money that cannot be moved as asked: what, why and what to do. */
export class MoneyError extends Error {
  override readonly name = "MoneyError";
  readonly code: "NOTHING_FREE" | "TOO_LITTLE" | "NOT_DUE" | "NO_CREDIT" | "REVERTED";
  constructor(code: MoneyError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** Where the money of one channel stands; smallest token unit. */
export interface ChannelMoney {
  paymentId: Hex;
  /** Deposited, less what was withdrawn and refunded by the channel contract. */
  balance: bigint;
  /** Sum of charges whose receipts this payer verified. */
  agreed: bigint;
  /** Taken by the node so far: into the escrow. */
  claimed: bigint;
  /** Of what was claimed: decided, to the node or back. */
  settled: bigint;
  /** Of what was claimed: undecided. */
  held: bigint;
  /** Neither claimed nor owed: what a withdrawal gives back. */
  free: bigint;
  /** A withdrawal that waits; seconds since 1970. */
  withdrawal?: { amount: bigint; due: bigint };
}

/** @param agreed What the payer's own memory says. */
export async function moneyOfChannel({ client, escrow, lens }: Pick<MoneyAccount, "client" | "escrow" | "lens">, { paymentId, config }: ChannelRecord, agreed: bigint): Promise<ChannelMoney> {
  const args = [paymentId] as const;
  const [[balance, claimed], [amount, initiatedAt], money] = await Promise.all([
    client.readContract({ address: X402.channels, abi: channelsAbi, functionName: "channels", args }),
    client.readContract({ address: X402.channels, abi: channelsAbi, functionName: "pendingWithdrawals", args }),
    client.readContract({ address: lens, abi: lensAbi, functionName: "moneyOf", args: [escrow, paymentId] }),
  ]);
  const owed = agreed > claimed ? agreed : claimed;
  return {
    paymentId, balance, agreed, claimed, settled: money.settledUpTo, held: money.held, free: balance > owed ? balance - owed : 0n,
    ...(initiatedAt === 0 ? {} : { withdrawal: { amount, due: BigInt(initiatedAt + Number(config.withdrawDelay)) } }),
  };
}

/** Brings `amount` into a channel, by EIP-3009: the account signs and sends, no allowance stays. @throws MoneyError TOO_LITTLE, REVERTED */
export async function depositInto(by: MoneyAccount, { paymentId, config }: ChannelRecord, amount: bigint): Promise<Hex> {
  const { client, wallet, account, token } = by;
  const [held, block] = await Promise.all([
    client.readContract({ address: token.address, abi: erc20Abi, functionName: "balanceOf", args: [account.address] }),
    client.getBlock(),
  ]);
  if (held < amount) throw new MoneyError("TOO_LITTLE", `${account.address} holds ${held} units of ${token.symbol}, less than the ${amount} to deposit. Nothing was sent.`);
  // Chain time: it may run ahead of this machine's.
  const validBefore = block.timestamp + 3_600n;
  const salt = BigInt(toHex(crypto.getRandomValues(new Uint8Array(32))));
  const nonce = keccak256(encodeAbiParameters([{ type: "bytes32" }, { type: "uint256" }], [paymentId, salt]));
  const signature = await wallet.signTypedData({
    account, primaryType: "ReceiveWithAuthorization", types: { ReceiveWithAuthorization: RECEIVE },
    domain: { name: token.name, version: token.version, chainId: await client.getChainId(), verifyingContract: token.address },
    message: { from: account.address, to: X402.erc3009Collector, value: amount, validAfter: 0n, validBefore, nonce },
  });
  const data = encodeAbiParameters([{ type: "uint256" }, { type: "uint256" }, { type: "uint256" }, { type: "bytes" }], [0n, validBefore, salt, signature]);
  return send(by, { address: X402.channels, abi: x402ChannelsAbi, functionName: "deposit", args: [config, amount, X402.erc3009Collector, data] });
}

const RECEIVE = [
  { name: "from", type: "address" }, { name: "to", type: "address" }, { name: "value", type: "uint256" }, { name: "validAfter", type: "uint256" },
  { name: "validBefore", type: "uint256" }, { name: "nonce", type: "bytes32" },
] as const;

/** Begins to take back what is free; the node sees it and stops serving the channel. @returns When it may be finished, seconds. @throws MoneyError NOTHING_FREE */
export async function startWithdrawal(by: MoneyAccount, { config }: ChannelRecord, money: ChannelMoney): Promise<{ transaction: Hex; amount: bigint; due: bigint }> {
  if (money.free === 0n) throw new MoneyError("NOTHING_FREE", `Nothing is free on channel ${money.paymentId}: ${money.balance} units deposited, all of it claimed or owed.`);
  const transaction = await send(by, { address: X402.channels, abi: channelsAbi, functionName: "initiateWithdraw", args: [config, money.free] });
  const { timestamp } = await by.client.getBlock();
  return { transaction, amount: money.free, due: timestamp + BigInt(config.withdrawDelay) };
}

/** Takes back what a withdrawal began, when its delay is over. @throws MoneyError NOT_DUE */
export async function finishWithdrawal(by: MoneyAccount, { config, paymentId }: ChannelRecord, { due }: { due: bigint }): Promise<Hex> {
  const { timestamp } = await by.client.getBlock();
  if (timestamp < due) {
    throw new MoneyError("NOT_DUE", `The withdrawal from channel ${paymentId} is due at ${new Date(Number(due) * 1_000).toISOString()}, in ${due - timestamp} s of the chain's time. Run this again then.`);
  }
  return send(by, { address: X402.channels, abi: channelsAbi, functionName: "finalizeWithdraw", args: [config] });
}

/** Pulls what the escrow owes to `beneficiary`: a node's earnings, a payer's refunds, a royalty. Anyone may send it. @throws MoneyError NO_CREDIT */
export async function withdrawCredit(by: MoneyAccount, beneficiary: Address): Promise<{ transaction: Hex; amount: bigint }> {
  const args = [beneficiary, by.token.address] as const;
  const owed = await owedTo({ client: by.client, escrow: by.escrow, token: by.token.address }, beneficiary);
  const amount = owed.credit + owed.setAside;
  if (owed.termsHashes.length > 0) await send(by, { address: by.escrow, abi: escrowAbi, functionName: "collect", args: [owed.termsHashes, by.token.address] });
  if (amount === 0n) throw new MoneyError("NO_CREDIT", `The escrow owes ${beneficiary} nothing in ${by.token.symbol}.`);
  return { transaction: await send(by, { address: by.escrow, abi: escrowAbi, functionName: "withdraw", args }), amount };
}

/** Sends and waits. @throws MoneyError REVERTED; a call that would revert is not sent. */
async function send({ wallet, client, account }: MoneyAccount, call: { address: Address; abi: readonly unknown[]; functionName: string; args: readonly unknown[] }): Promise<Hex> {
  await client.simulateContract({ ...call, account } as never);
  const hash = await wallet.writeContract({ ...call, account, chain: wallet.chain } as never);
  const receipt: TransactionReceipt = await client.waitForTransactionReceipt({ hash });
  if (receipt.status !== "success") throw new MoneyError("REVERTED", `Transaction ${hash} (${call.functionName}) was mined and reverted. Nothing was moved.`);
  return hash;
}
