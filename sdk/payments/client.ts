import { x402Client } from "@x402/core/client";
import { decodePaymentRequiredHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired, PaymentRequirements } from "@x402/core/types";
import { type ClientEvmSigner, toClientEvmSigner } from "@x402/evm";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { appendPaymentIdentifierToExtensions } from "@x402/extensions";
import type { Hex } from "viem";
import { ackTypedData } from "../protocol/index.ts";
import { type ChannelMemory, type PayerChannel, memoryChannels, openChannel } from "./channels.ts";
import { type CheckedOffer, type OfferPolicy, OfferRefused, checkOffer, checkRequirements } from "./offers.ts";
import { answerOf, type Sent } from "./answer.ts";
import type { ChannelState, Offer, PaidRequestInit, PayerSigner, PaymentClient, SchemeName, SignedAck } from "./types.ts";
import { bodyHashOf, encodeHeader, termsToJson } from "./wire.ts";

/** The reads that a payer makes of the payment chain; a viem PublicClient fits. */
export interface PayerReads {
  readContract(args: never): Promise<unknown>;
  getBlock(): Promise<{ timestamp: bigint }>;
}

export interface PaymentClientOptions {
  signer: PayerSigner;
  voucherSigner?: PayerSigner;
  policy: OfferPolicy;
  chainId: number;
  /** Recovers channels and keeps signatures in chain time. */
  reads?: PayerReads;
  memory?: ChannelMemory;
  seed?: Hex;
  maxDeposit?: bigint;
  fetch?: typeof globalThis.fetch;
  /** What payments prefer when a request does not say. */
  scheme?: SchemeName;
  now?: () => number;
}

const BUSY_RETRIES = 20;

/** The payer's side, on the official client: a requirement cache, a queue per channel, checks of offers and answers, Acks. */
export function paymentClient(options: PaymentClientOptions): PaymentClient {
  const { policy, chainId } = options;
  const send = options.fetch ?? globalThis.fetch;
  const memory = options.memory ?? memoryChannels();
  const signer = clientSigner(options.signer, options.reads);
  const voucherSigner = options.voucherSigner && clientSigner(options.voucherSigner, options.reads);
  const cache = new Map<string, { required: PaymentRequired; offer: CheckedOffer }>();
  const channels = new Map<string, Promise<PayerChannel>>();

  const single = new x402Client()
    .register(policy.network, new UptoEvmScheme(signer))
    .register(policy.network, new ExactEvmScheme(signer))
    // Amounts and assets are checked by the policy, with better words.
    .setSpendControls(false);

  const payers = new WeakMap<PayerChannel, x402Client>();
  function payerOf(channel: PayerChannel): x402Client {
    let client = payers.get(channel);
    if (!client) payers.set(channel, (client = new x402Client().register(policy.network, channel.scheme).setSpendControls(false)));
    return client;
  }

  function channelFor(offer: CheckedOffer): Promise<PayerChannel> {
    const key = `${offer.requirements.payTo} ${offer.authorizer} ${offer.requirements.asset} ${offer.termsHash}`.toLowerCase();
    let channel = channels.get(key);
    if (!channel) {
      channel = openChannel(offer, { signer, memory, ...(voucherSigner ? { voucherSigner } : {}), seed: options.seed, maxDeposit: options.maxDeposit });
      channels.set(key, channel);
      channel.catch(() => channels.delete(key));
    }
    return channel;
  }

  /** Chain time runs ahead of the wall on some chains: signatures must live long enough on both clocks. */
  async function patience(requirements: PaymentRequirements): Promise<PaymentRequirements> {
    if (!options.reads) return requirements;
    const chainNow = Number((await options.reads.getBlock()).timestamp);
    const ahead = chainNow - Math.floor((options.now?.() ?? Date.now()) / 1_000);
    return ahead > 0 ? { ...requirements, maxTimeoutSeconds: requirements.maxTimeoutSeconds + ahead } : requirements;
  }

  async function sign(required: PaymentRequired, offer: CheckedOffer, init: PaidRequestInit, channel: PayerChannel | undefined): Promise<PaymentPayload> {
    const needsMoney = !channel || (await channel.balance()) < (await channel.charged()) + offer.amount;
    const requirements = needsMoney ? await patience(offer.requirements) : offer.requirements;
    const client = channel ? payerOf(channel) : single;
    const payload = await client.createPaymentPayload({ ...required, accepts: [requirements] });
    const extra = { ...offer.requirements.extra, ...(channel ? { clientNonce: channel.clientNonce } : {}) };
    // A voucher needs none of the offered extensions; their declarations are longer than the payment.
    const { extensions: echoed, ...bare } = payload;
    const extensions = channel && !needsMoney && !init.idempotencyKey ? {} : structuredClone(echoed ?? {});
    if (init.idempotencyKey) appendPaymentIdentifierToExtensions(extensions, init.idempotencyKey);
    return { ...bare, accepted: { ...offer.requirements, extra }, ...(Object.keys(extensions).length ? { extensions } : {}) };
  }

  async function request(url: string, init: PaidRequestInit, headers: Record<string, string>): Promise<Response> {
    return send(url, {
      method: init.method ?? "POST", headers: { ...init.headers, ...headers }, ...(init.body === undefined ? {} : { body: init.body }),
      ...(init.signal ? { signal: init.signal } : {}),
    });
  }

  async function ackHeader(channel: PayerChannel): Promise<Record<string, string>> {
    const ack = await signAck(channel);
    return ack ? { "X-OG-ACK": btoa(JSON.stringify({ ...ack, cumulative: ack.cumulative.toString() })) } : {};
  }

  const acks = new Map<string, SignedAck>();
  async function signAck(channel: PayerChannel): Promise<SignedAck | undefined> {
    const cumulative = await channel.charged();
    if (cumulative === 0n) return undefined;
    const known = acks.get(channel.paymentId);
    if (known?.cumulative === cumulative) return known;
    const typed = ackTypedData({ paymentId: channel.paymentId, cumulative }, { chainId, verifyingContract: channel.config.receiver });
    const signature = await (options.voucherSigner ?? options.signer).signTypedData(typed as never);
    const ack = { paymentId: channel.paymentId, cumulative, signature };
    acks.set(channel.paymentId, ack);
    return ack;
  }

  /** One attempt: sign, send, and look at a refusal. */
  async function attempt(url: string, init: PaidRequestInit, known: { required: PaymentRequired; offer: CheckedOffer }): Promise<Sent> {
    const { offer, required } = known;
    const channel = offer.scheme === "batch-settlement" ? await channelFor(offer) : undefined;
    if (channel?.poisoned) throw new OfferRefused("channel", `Nothing more is signed on this channel: ${channel.poisoned}`);
    const payment = await sign(required, offer, init, channel);
    const before = channel ? await channel.charged() : 0n;
    if (channel) channel.signed = before + offer.amount;
    const headers = { "PAYMENT-SIGNATURE": encodeHeader(payment), ...(channel ? await ackHeader(channel) : {}) };
    const response = await request(url, init, headers);
    return { response, offer, payment, channel, before };
  }

  async function paid(url: string, init: PaidRequestInit, first: { required: PaymentRequired; offer: CheckedOffer }, route: string): Promise<Sent> {
    let known = first;
    let corrected = false;
    let requoted = false;
    for (let busy = 0; ; ) {
      const sent = await attempt(url, init, known);
      const { status } = sent.response;
      if (status === 409 && sent.channel && busy < BUSY_RETRIES && (await codeOf(sent.response)) === "CHANNEL_BUSY") {
        await new Promise((resolve) => setTimeout(resolve, 25 * 2 ** Math.min(busy++, 5)));
        continue;
      }
      const required = status === 402 ? readRequired(sent.response) : undefined;
      if (!required) return sent;
      if (sent.channel && !corrected && (await correct(sent, required))) {
        corrected = true;
        continue;
      }
      // The request costs more than the cached quote, or the node changed its offer: once, with the new one, checked anew.
      if (requoted || !/no matching payment requirements/i.test(required.error ?? "")) return sent;
      requoted = true;
      known = { required, offer: await checkOffer(required, sent.offer.scheme, limited(policy, init)) };
      cache.set(route, known);
    }
  }

  /** The node says that the line stands elsewhere. Believed only up to what this payer has signed. */
  async function correct({ channel, before }: Sent, required: PaymentRequired): Promise<boolean> {
    const { signed } = channel!;
    if (!(await channel!.scheme.processCorrectivePaymentRequired(required))) return false;
    const now = await channel!.charged();
    if (now >= before && now <= signed) return true;
    await channel!.move({ charged: before });
    return false;
  }

  return {
    async fetch(url, init) {
      const scheme = init.scheme ?? options.scheme ?? "batch-settlement";
      const route = routeOf(url, init, scheme);
      let known = cache.get(route);
      if (!known) {
        const response = await request(url, init, {});
        const required = response.status === 402 ? readRequired(response) : undefined;
        if (!required) return answerOf({ response, free: true });
        known = { required, offer: await checkOffer(required, scheme, limited(policy, init)) };
        cache.set(route, known);
      }
      // A cached offer is checked again: this request may have a lower limit. Single payments are bound to their body.
      const requirements = scheme === "batch-settlement" ? known.offer.requirements : bindTo(known.offer.requirements, init);
      known = { required: known.required, offer: await checkRequirements(requirements, limited(policy, init)) };

      const channel = scheme === "batch-settlement" ? await channelFor(known.offer) : undefined;
      const leave = (await channel?.enter(init.signal)) ?? (() => {});
      try {
        const sent = await paid(url, init, known, route);
        return answerOf({ ...sent, leave, balanceOf: channel && balanceReader(channel) });
      } catch (error) {
        leave();
        throw error;
      }
    },
    async channel(offer: Offer): Promise<ChannelState | undefined> {
      const found = await Promise.all([...channels.values()]);
      return found.find((entry) => entry.termsHash.toLowerCase() === offer.termsHash.toLowerCase())?.state();
    },
    async ack(paymentId) {
      const found = await Promise.all([...channels.values()]);
      const channel = found.find((entry) => entry.paymentId === paymentId.toLowerCase());
      return channel && signAck(channel);
    },
  };

  function balanceReader(channel: PayerChannel): (() => Promise<bigint>) | undefined {
    if (!options.reads) return undefined;
    return async () => {
      const [balance] = (await options.reads!.readContract({
        address: CHANNELS, abi: channelsAbi, functionName: "channels", args: [channel.paymentId],
      } as never)) as [bigint, bigint];
      return balance;
    };
  }
}

const CHANNELS = "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003";
const channelsAbi = [{
  type: "function", name: "channels", stateMutability: "view", inputs: [{ name: "channelId", type: "bytes32" }],
  outputs: [{ name: "balance", type: "uint128" }, { name: "totalClaimed", type: "uint128" }],
}] as const;

function clientSigner(signer: PayerSigner, reads: PayerReads | undefined): ClientEvmSigner {
  return toClientEvmSigner(signer as never, reads && ({ readContract: (args: never) => reads.readContract(args) } as never));
}

function limited(policy: OfferPolicy, init: PaidRequestInit): OfferPolicy {
  return init.maxCharge !== undefined && init.maxCharge < policy.maxCharge ? { ...policy, maxCharge: init.maxCharge } : policy;
}

/** Requests that a node quotes alike: the same route, model and evidence. */
function routeOf(url: string, init: PaidRequestInit, scheme: SchemeName): string {
  const headers = Object.fromEntries(Object.entries(init.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const model = (parse(init.body) as { model?: unknown } | undefined)?.model;
  return JSON.stringify([init.method ?? "POST", url, scheme, model, headers["x-og-verification"], headers["x-settlement-type"]]);
}

function bindTo(requirements: PaymentRequirements, init: PaidRequestInit): PaymentRequirements {
  const body = parse(init.body);
  return body === undefined ? requirements : { ...requirements, extra: { ...requirements.extra, request: bodyHashOf(body) } };
}

function parse(body: string | undefined): unknown {
  try {
    return body === undefined ? undefined : (JSON.parse(body) as unknown);
  } catch {
    return undefined;
  }
}

function readRequired(response: Response): PaymentRequired | undefined {
  const header = response.headers.get("PAYMENT-REQUIRED");
  return header ? decodePaymentRequiredHeader(header) : undefined;
}

async function codeOf(response: Response): Promise<string | undefined> {
  const body = (await response.clone().json().catch(() => undefined)) as { error?: { code?: string } } | undefined;
  return body?.error?.code;
}

export { termsToJson };
