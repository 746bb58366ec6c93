import { BatchSettlementEvmScheme, type ClientChannelStorage, computeChannelId } from "@x402/evm/batch-settlement/client";
import type { ClientEvmSigner } from "@x402/evm";
import { type Address, type Hex, bytesToHex, keccak256, concatHex } from "viem";
import { type Terms, channelSalt } from "../protocol/index.ts";
import type { CheckedOffer } from "./offers.ts";
import type { ChannelConfig, ChannelState } from "./types.ts";

/** Where a payer keeps its channels. Losing it loses no money: nonces can be derived again when `seed` is given. */
export interface ChannelMemory extends ClientChannelStorage {
  nonceOf(key: string): Promise<Hex | undefined>;
  setNonce(key: string, nonce: Hex): Promise<void>;
  /** Every channel that was opened or is about to be. */
  channels(): Promise<ChannelRecord[]>;
  setChannel(record: ChannelRecord): Promise<void>;
}

/** What a channel is, for looking after its money later. */
export interface ChannelRecord {
  paymentId: Hex;
  config: ChannelConfig;
  clientNonce: Hex;
  terms: Terms;
}

export function memoryChannels(): ChannelMemory {
  const contexts = new Map<string, Awaited<ReturnType<ClientChannelStorage["get"]>>>();
  const nonces = new Map<string, Hex>();
  const records = new Map<Hex, ChannelRecord>();
  return {
    channels: () => Promise.resolve([...records.values()]),
    setChannel: (record) => Promise.resolve(void records.set(record.paymentId, record)),
    get: (key) => Promise.resolve(contexts.get(key.toLowerCase())),
    set: (key, context) => Promise.resolve(void contexts.set(key.toLowerCase(), context)),
    delete: (key) => Promise.resolve(void contexts.delete(key.toLowerCase())),
    nonceOf: (key) => Promise.resolve(nonces.get(key)),
    setNonce: (key, nonce) => Promise.resolve(void nonces.set(key, nonce)),
  };
}

/** One channel as its payer sees it. */
export class PayerChannel {
  readonly paymentId: Hex;
  readonly config: ChannelConfig;
  readonly terms: Terms;
  readonly termsHash: Hex;
  readonly clientNonce: Hex;
  readonly scheme: BatchSettlementEvmScheme;
  readonly #memory: ChannelMemory;
  #tail: Promise<void> = Promise.resolve();
  /** Ceiling of the last voucher: what the node could claim at most. */
  signed = 0n;
  /** Set when an answer was wrong: nothing is signed any more. */
  poisoned: string | undefined;

  constructor(input: {
    config: ChannelConfig; paymentId: Hex; offer: CheckedOffer; clientNonce: Hex; scheme: BatchSettlementEvmScheme; memory: ChannelMemory;
  }) {
    this.config = input.config;
    this.paymentId = input.paymentId;
    this.terms = input.offer.terms!;
    this.termsHash = input.offer.termsHash;
    this.clientNonce = input.clientNonce;
    this.scheme = input.scheme;
    this.#memory = input.memory;
  }

  /** Waits for the requests before; vouchers are cumulative, so a channel carries one request at a time. @returns What lets the next one go. */
  async enter(signal?: AbortSignal): Promise<() => void> {
    const before = this.#tail;
    let leave!: () => void;
    this.#tail = new Promise((resolve) => (leave = resolve));
    await before;
    if (signal?.aborted) {
      leave();
      throw signal.reason;
    }
    return leave;
  }

  async charged(): Promise<bigint> {
    return BigInt((await this.#memory.get(this.paymentId))?.chargedCumulativeAmount ?? 0);
  }

  async balance(): Promise<bigint> {
    return BigInt((await this.#memory.get(this.paymentId))?.balance ?? 0);
  }

  async move(change: { charged?: bigint; balance?: bigint }): Promise<void> {
    const before = (await this.#memory.get(this.paymentId)) ?? {};
    await this.#memory.set(this.paymentId, {
      ...before,
      ...(change.charged === undefined ? {} : { chargedCumulativeAmount: change.charged.toString() }),
      ...(change.balance === undefined ? {} : { balance: change.balance.toString() }),
    });
  }

  async state(): Promise<ChannelState> {
    return {
      paymentId: this.paymentId, config: this.config, clientNonce: this.clientNonce, terms: this.terms,
      balance: await this.balance(), charged: await this.charged(),
    };
  }
}

export interface ChannelOptions {
  signer: ClientEvmSigner;
  memory: ChannelMemory;
  /** Signs vouchers and Acks instead of `signer`. */
  voucherSigner?: ClientEvmSigner;
  /** Makes client nonces recoverable: nonce = keccak(seed, key). Random without. */
  seed?: Hex;
  /** Most of one deposit, smallest token unit. */
  maxDeposit?: bigint;
}

/** The channel for an offer: the same one for the same terms, node, token and payer. */
export async function openChannel(offer: CheckedOffer, options: ChannelOptions): Promise<PayerChannel> {
  const { requirements } = offer;
  const key = [requirements.network, requirements.payTo, offer.authorizer, requirements.asset, offer.termsHash, options.signer.address].join(" ").toLowerCase();
  let clientNonce = await options.memory.nonceOf(key);
  if (!clientNonce) {
    clientNonce = options.seed ? keccak256(concatHex([options.seed, keccak256(`0x${Buffer.from(key).toString("hex")}`)])) : bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
    await options.memory.setNonce(key, clientNonce);
  }
  const salt = channelSalt(offer.termsHash, clientNonce);
  const { maxDeposit } = options;
  const scheme = new BatchSettlementEvmScheme(options.signer, {
    salt,
    storage: options.memory,
    ...(options.voucherSigner ? { voucherSigner: options.voucherSigner } : {}),
    ...(maxDeposit === undefined ? {} : {
      depositStrategy: ({ depositAmount, minimumDepositAmount }) => {
        if (BigInt(minimumDepositAmount) > maxDeposit) throw new Error(`the channel needs a deposit of ${minimumDepositAmount}, above the limit of ${maxDeposit}`);
        return BigInt(depositAmount) > maxDeposit ? maxDeposit : BigInt(depositAmount);
      },
    }),
  });
  const config = scheme.buildChannelConfig(requirements) as ChannelConfig;
  const paymentId = computeChannelId(config as { payer: Address } & typeof config, requirements.network).toLowerCase() as Hex;
  await options.memory.setChannel({ paymentId, config, clientNonce, terms: offer.terms! });
  return new PayerChannel({ config, paymentId, offer, clientNonce, scheme, memory: options.memory });
}
