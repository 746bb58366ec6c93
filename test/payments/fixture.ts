/** Both sides of a channel on one simulated chain: contracts by the deploy script (viem), calls by ethers. */
import { type HDNodeWallet, Wallet, type Wallet as EthersWallet } from "ethers";
import { network } from "hardhat";
import { type Address, type Hex, custom, defineChain } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { deployChain } from "../../scripts/deploy/chain.ts";
import { type PaymentTimes, DEVNET_TIMES, bootstrapInbox, deployPayment } from "../../scripts/deploy/payment.ts";
import * as protocol from "../../sdk/protocol/index.ts";
import type {
  EscrowLens, IPaymentEscrow, SettlementInbox, TestDollar, X402Channels,
} from "../../types/contracts/index.js";
import { freshKey } from "../utils/keys.ts";

export const SETTLEMENT = { chainId: 713370, verifyingContract: "0x5e771e0000000000000000000000000000000001" } as const;
export const id = (label: string): Hex => protocol.unpaidPaymentId(`0x${"00".repeat(32)}`, `0x${Buffer.from(label).toString("hex").padEnd(64, "0")}`);

/** Places of a call that names its header's whole list. */
export const WHOLE = { indices: [], path: [] };

export const channelTypes = {
  ChannelConfig: [
    { name: "payer", type: "address" },
    { name: "payerAuthorizer", type: "address" },
    { name: "receiver", type: "address" },
    { name: "receiverAuthorizer", type: "address" },
    { name: "token", type: "address" },
    { name: "withdrawDelay", type: "uint40" },
    { name: "salt", type: "bytes32" },
  ],
};
export const voucherTypes = { Voucher: [{ name: "channelId", type: "bytes32" }, { name: "maxClaimableAmount", type: "uint128" }] };
const receiveTypes = {
  ReceiveWithAuthorization: [
    { name: "from", type: "address" },
    { name: "to", type: "address" },
    { name: "value", type: "uint256" },
    { name: "validAfter", type: "uint256" },
    { name: "validBefore", type: "uint256" },
    { name: "nonce", type: "bytes32" },
  ],
};

export interface Channel {
  config: {
    payer: string; payerAuthorizer: string; receiver: string; receiverAuthorizer: string; token: string; withdrawDelay: number; salt: string;
  };
  paymentId: Hex;
  payer: HDNodeWallet | EthersWallet;
  terms?: protocol.Terms;
  clientNonce: Hex;
}

export type World = Awaited<ReturnType<typeof world>>;

/** @param times Windows; a devnet's by default. */
export async function world(times: PaymentTimes = DEVNET_TIMES) {
  // Permit2's published runtime has chain 31337's domain built in, for another address: the payment devnet's id it is.
  const connection = await network.create({ network: "default", override: { chainId: 713371 } });
  const { ethers, provider } = connection;
  const chainId = Number((await ethers.provider.getNetwork()).chainId);
  const chain = defineChain({
    id: chainId,
    name: "test",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: ["http://unused.invalid"] } },
    testnet: true,
  });
  const transport = custom({ request: (args) => provider.request(args as never) as Promise<unknown> }, { retryCount: 0 });
  const deployer = deployChain({ chain, transport, account: mnemonicToAccount("test test test test test test test test test test test junk") });
  const addresses = await deployPayment(deployer, {
    settlement: { chainId: SETTLEMENT.chainId, address: SETTLEMENT.verifyingContract }, times, feeBps: 200, unitsPerStake: 1n,
  });
  const signers = await ethers.getSigners();
  const [admin, authorizer, payout, royaltyTo, relayer] = [signers[0]!, signers[1]!, signers[2]!, signers[3]!, signers[4]!];
  const committee = [1, 2, 3].map((n) => new Wallet(`0x${String(n).repeat(64)}`)).sort((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1));
  const members = committee.map(({ address }) => ({ signer: address as Address, stake: 1_000_000_000n }));
  await bootstrapInbox(deployer, addresses.SettlementInbox, 1n, members);

  const at = async <T>(name: string, address: string) => (await ethers.getContractAt(name, address)) as unknown as T;
  const escrow = await at<IPaymentEscrow>("IPaymentEscrow", addresses.PaymentEscrow);
  // The same, with the errors of the libraries inside of it.
  const declared = await ethers.getContractAt("PaymentEscrow", addresses.PaymentEscrow);
  const inbox = await at<SettlementInbox>("SettlementInbox", addresses.SettlementInbox);
  const lens = await at<EscrowLens>("EscrowLens", addresses.EscrowLens);
  const channels = await at<X402Channels>("X402Channels", addresses.X402Channels);
  const token = await at<TestDollar>("TestDollar", addresses.TestDollar);
  const x402Domain = { name: "x402 Batch Settlement", version: "1", chainId, verifyingContract: addresses.X402Channels };
  const escrowDomain = protocol.eip712Domain({ chainId, verifyingContract: addresses.PaymentEscrow });
  const nodeId = id("node");

  const terms = (over: Partial<protocol.Terms> = {}): protocol.Terms => ({
    nodeId,
    payout: payout.address as Address,
    settlementMode: protocol.SettlementMode.Batch,
    verification: protocol.Verification.Tee,
    tariffHash: id("tariff"),
    policyId: `0x${"00".repeat(32)}`,
    royaltyTo: royaltyTo.address as Address,
    royaltyBps: 1_000,
    feeBpsCap: 500,
    inbox: addresses.SettlementInbox,
    ...over,
  });

  let nonces = 0;
  /** Deposits by EIP-3009 and, unless told otherwise, registers. */
  async function open(options: {
    deposit?: bigint; terms?: protocol.Terms; salt?: Hex; register?: boolean; payer?: HDNodeWallet | EthersWallet;
    payerAuthorizer?: string; token?: string; receiver?: string; withdrawDelay?: number;
  } = {}): Promise<Channel> {
    const payer = options.payer ?? new Wallet(freshKey());
    const signed = options.terms ?? terms();
    const clientNonce = id(`nonce ${nonces++}`);
    const tokenAddress = options.token ?? addresses.TestDollar;
    const config = {
      payer: payer.address,
      payerAuthorizer: options.payerAuthorizer ?? payer.address,
      receiver: options.receiver ?? addresses.PaymentEscrow,
      receiverAuthorizer: authorizer.address,
      token: tokenAddress,
      withdrawDelay: options.withdrawDelay ?? 86_400,
      salt: options.salt ?? protocol.channelSalt(protocol.termsHash(signed), clientNonce),
    };
    const { TypedDataEncoder } = ethers;
    const paymentId = TypedDataEncoder.hash(x402Domain, channelTypes, config) as Hex;
    const channel: Channel = { config, paymentId, payer, terms: signed, clientNonce };
    await deposit(channel, options.deposit ?? 1_000_000n);
    if (options.register ?? true) {
      await (BigInt(config.salt) === 0n ? escrow.registerDefault(config) : escrow.register(config, signed, clientNonce));
    }
    return channel;
  }

  async function deposit(channel: Channel, amount: bigint): Promise<void> {
    const asset = await at<TestDollar>("TestDollar", channel.config.token);
    await asset.mint(channel.payer.address, amount);
    const salt = BigInt(++nonces);
    const validBefore = 2n ** 64n;
    const nonce = ethers.keccak256(ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "uint256"], [channel.paymentId, salt]));
    const collector = "0x4020806089470a89826cB9fB1f4059150b550004";
    const signature = await channel.payer.signTypedData(
      { name: "Test Dollar", version: "1", chainId, verifyingContract: channel.config.token },
      receiveTypes,
      { from: channel.payer.address, to: collector, value: amount, validAfter: 0, validBefore, nonce },
    );
    const data = ethers.AbiCoder.defaultAbiCoder().encode(["uint256", "uint256", "uint256", "bytes"], [0, validBefore, salt, signature]);
    await channels.connect(relayer).deposit(channel.config, amount, collector, data);
  }

  /** A claim's row: the payer's voucher up to `ceiling`, claimed up to `totalClaimed`. */
  async function row(channel: Channel, totalClaimed: bigint, ceiling = totalClaimed, signer: { signTypedData: EthersWallet["signTypedData"] } = channel.payer) {
    const signature = await signer.signTypedData(x402Domain, voucherTypes, { channelId: channel.paymentId, maxClaimableAmount: ceiling });
    return { voucher: { channel: channel.config, maxClaimableAmount: ceiling }, signature, totalClaimed };
  }

  async function claim(channel: Channel, totalClaimed: bigint): Promise<void> {
    await escrow.connect(authorizer).claim([await row(channel, totalClaimed)], "0x");
  }

  /** Fees and royalties that releases under these terms have set aside become credits. */
  const collect = (token = addresses.TestDollar as string, under: protocol.Terms = terms()) => escrow.collect([protocol.termsHash(under)], token);

  const signAck = (channel: Channel, cumulative: bigint, signer: { signTypedData: EthersWallet["signTypedData"] } = channel.payer) =>
    signer.signTypedData(escrowDomain, { Ack: [...protocol.statementTypes.Ack] }, { paymentId: channel.paymentId, cumulative });

  const stretch = (channel: Channel, from: bigint, to: bigint, over: Partial<protocol.ChannelStretch> = {}): protocol.ChannelStretch => ({
    paymentChainId: BigInt(chainId), escrow: addresses.PaymentEscrow, paymentId: channel.paymentId, from, to,
    firstLeaf: 0, leafCount: 1, prefixTotal: to - from, ...over,
  });

  let headers = 0n;
  function headerOf(stretches: readonly protocol.ChannelStretch[], over: Partial<protocol.BatchHeader> = {}) {
    const tree = protocol.positionalTree(stretches.map(protocol.stretchLeaf));
    const header: protocol.BatchHeader = {
      nodeId, keyId: id("key"), nonce: ++headers, prevHeader: id("prev"), receiptsRoot: id("receipts"), channelsRoot: tree.root,
      count: stretches.length, channels: stretches.length, totalCharge: 1n, minIssuedAt: 1n, maxIssuedAt: 2n, blobId: id("blob"),
      contentHash: id("content"), format: 1, ...over,
    };
    return { header, tree, hash: protocol.headerHash(header, SETTLEMENT), places: (...indices: number[]) => ({ indices, path: tree.paths(indices) }) };
  }

  async function certificate(header: protocol.BatchHeader, over: Partial<protocol.Finality> = {}, signing = committee) {
    const now = BigInt((await ethers.provider.getBlock("latest"))!.timestamp);
    const finality: protocol.Finality = {
      paymentChainId: BigInt(chainId), inbox: addresses.SettlementInbox, committeeEpoch: 1n,
      headerHash: protocol.headerHash(header, SETTLEMENT), slot: protocol.slotOf(header, protocol.headerHash(header, SETTLEMENT)), channelsRoot: header.channelsRoot, status: protocol.BatchStatus.Final,
      settledAt: now, validUntil: now + 3_600n, ...over,
    };
    return { finality, members, quorum: await quorum({ Finality: protocol.statementTypes.Finality }, finality, signing) };
  }

  async function quorum(types: object, message: object, signing: typeof committee = committee) {
    const domain = protocol.eip712Domain(SETTLEMENT);
    let bits = 0n;
    let signatures = "0x";
    for (const [index, member] of committee.entries()) {
      if (!signing.includes(member)) continue;
      bits |= 1n << BigInt(index);
      signatures += (await member.signTypedData(domain, types as never, message as never)).slice(2);
    }
    return { signers: bits, signatures };
  }

  async function finalise(header: protocol.BatchHeader, status: number = protocol.BatchStatus.Final): Promise<void> {
    await inbox.record(await certificate(header, { status }));
  }

  const { networkHelpers } = connection;
  return {
    connection, ethers, chain, transport, chainId, addresses, escrow, declared, inbox, lens, channels, token, admin, authorizer, payout, royaltyTo, relayer,
    committee, members, nodeId, terms, open, deposit, row, claim, signAck, stretch, headerOf, certificate, quorum, finalise, collect,
    x402Domain, escrowDomain, deployer, networkHelpers, at,
    credit: (who: { address: string } | string, asset = addresses.TestDollar as string) => escrow.credit(typeof who === "string" ? who : who.address, asset),
    money: (channel: Channel) => lens.moneyOf(addresses.PaymentEscrow, channel.paymentId),
  };
}

/** Each test of the suite begins on the chain that `make` left. */
export function eachAnew(make: () => Promise<World>): void {
  let snapshot: { restore(): Promise<void> };
  before(async () => {
    snapshot = await (await make()).networkHelpers.takeSnapshot();
  });
  beforeEach(() => snapshot.restore());
}
