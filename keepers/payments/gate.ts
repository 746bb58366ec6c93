import { type HTTPProcessResult, x402HTTPResourceServer } from "@x402/core/http";
import { type FacilitatorClient, x402ResourceServer } from "@x402/core/server";
import type { PaymentPayload, PaymentRequirements, SettleResponse } from "@x402/core/types";
import type { AuthorizerSigner } from "@x402/evm/batch-settlement/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { UptoEvmScheme } from "@x402/evm/upto/server";
import { PAYMENT_IDENTIFIER, declareEip2612GasSponsoringExtension, declarePaymentIdentifierExtension, extractPaymentIdentifier } from "@x402/extensions";
import type { Address, Hex, PublicClient } from "viem";
import { recoverSigner, typedDataDigest } from "../../sdk/crypto/index.ts";
import { ackTypedData, type Terms } from "../../sdk/protocol/index.ts";
import { describeTerms, requestTag, singlePaymentId } from "../../sdk/payments/wire.ts";
import type { SchemeName, SignedAck } from "../../sdk/payments/types.ts";
import type { Clock } from "../clock/index.ts";
import { fatal, messageOf } from "../errors/index.ts";
import type { Store } from "../storage/index.ts";
import { GateAdapter, gateOf } from "./adapter.ts";
import { json, refusal } from "./answers.ts";
import { ChannelBook } from "./book.ts";
import { amountOf, cautious, pathOf, readPayment, repeated, singleAboveCap } from "./gate-parts.ts";
import { objectionToSignatures } from "./signatures.ts";
import { type AdmissionRules, objectionToChannel } from "./rules.ts";
import { paidSingle, paidVoucher } from "./paid.ts";
import { ChannelScheme } from "./scheme.ts";
import { type ChannelWatch, channelWatch } from "./watch.ts";
import type { Admission, GateRequest, PaymentGate, Quote } from "./types.ts";

export interface GateOptions {
  store: Store;
  clock: Clock;
  facilitator: FacilitatorClient;
  network: `${string}:${string}`;
  chainId: number;
  token: Address;
  /** EIP-712 domain of the token. */
  tokenName: string;
  tokenVersion: string;
  escrow: Address;
  /** The node's payment authorizer: receiverAuthorizer of its channels. */
  authorizer: AuthorizerSigner;
  /** Seconds. */
  withdrawDelay: number;
  /** Where `upto` and `exact` pay to; they are not offered without it. */
  vault?: Address;
  schemes?: readonly SchemeName[];
  /** Terms of a request, the node's own words. */
  termsOf(quote: Quote): Terms;
  /** Terms of channels with salt 0; must be what PaymentEscrow.defaultTermsOf(authorizer) holds. Such channels are refused without. */
  defaultTerms?: Terms;
  /** Smallest deposit that is asked for, smallest token unit. */
  minDeposit?: bigint;
  /** Most that one payer may have delivered and not claimed, smallest token unit. */
  exposureCap: bigint;
  /** Most of one `upto` or `exact` payment: they are unprotected. */
  singleCap?: bigint;
  maxTimeoutSeconds?: number;
  /** Reads of the payment chain: the gate keeps its book at the head. */
  client: PublicClient;
  /** Blocks that may still be replaced. */
  reorgDepth?: bigint;
  /** A copy of the chain older than this decides nothing: requests then read it, ms. */
  chainMaxAgeMs?: number;
  /** Told when a channel must be claimed now: its payer withdraws, or its exposure is at the cap. */
  onUrgent?(paymentId: string): void;
}

export interface Gate extends PaymentGate {
  readonly book: ChannelBook;
  /** Keeps the book at the chain's head; the node steps it every block. */
  readonly watch: ChannelWatch;
}

/**
 * The official HTTP server without response buffering: `admit` runs up to "payment verified and reserved", the answer streams, and
 * `commit` settles before the last event. Everything that must hold before inference is checked in hooks of the official server.
 */
export function paymentGate(options: GateOptions): Gate {
  const { network } = options;
  const book = new ChannelBook(options.store, () => options.clock.now());
  const offered = options.schemes ?? (options.vault ? (["batch-settlement", "upto", "exact"] as const) : (["batch-settlement"] as const));
  const watch = channelWatch({
    book, client: options.client, clock: options.clock, reorgDepth: options.reorgDepth ?? 16n, maxAgeMs: options.chainMaxAgeMs ?? 30_000,
    onWithdrawal: (paymentId) => options.onUrgent?.(paymentId),
  });
  const scheme = new ChannelScheme(options.escrow, {
    storage: book,
    receiverAuthorizerSigner: options.authorizer,
    withdrawDelay: options.withdrawDelay,
    chainId: options.chainId,
    isFresh: watch.isFresh,
  });
  const resource = new x402ResourceServer(cautious(options.facilitator, (payment) => {
    const id = singlePaymentId(payment, options.chainId);
    if (id) book.answers.doubtSingle(id);
  }))
    .register(network, scheme)
    .register(network, new UptoEvmScheme())
    .register(network, new ExactEvmScheme());

  const rules: AdmissionRules = { exposureCap: options.exposureCap, chainId: options.chainId, defaultTerms: options.defaultTerms };
  resource.onBeforeVerify(async ({ paymentPayload, requirements, transportContext }) => {
    // The official server goes on after a hook that throws: what could not be checked is refused here.
    try {
      const gate = gateOf((transportContext as { request: { adapter: GateAdapter } }).request);
      const reason = objectionTo(paymentPayload as PaymentPayload, requirements as PaymentRequirements, gate);
      return reason ? { abort: true, reason } : undefined;
    } catch (error) {
      return { abort: true, reason: "NOT_READY", message: messageOf(error) };
    }
  });

  function objectionTo(payment: PaymentPayload, requirements: PaymentRequirements, gate: GateAdapter): string | undefined {
    if (payment.resource?.url && pathOf(payment.resource.url) !== gate.request.path) return "WRONG_RESOURCE";
    const unsound = objectionToSignatures(payment);
    if (unsound) return unsound;
    if (requirements.scheme === "batch-settlement") {
      const { reason, urgent } = objectionToChannel(payment, requirements, options.termsOf(gate.request.quote), book, rules);
      if (urgent) options.onUrgent?.(urgent);
      return reason;
    }
    const id = singlePaymentId(payment, options.chainId);
    if (!id) return "invalid_payload";
    // Before anything is sent: six copies of one payment run one handler.
    if (!book.answers.takeSingle(id, requirements.scheme, gate.request.bodyHash)) return "PAYMENT_REUSED";
    gate.single = id;
    return undefined;
  }

  const priceOf = (name: SchemeName) => (context: { adapter: unknown }) => {
    const { quote, bodyHash } = (context.adapter as GateAdapter).request;
    const { hash, json: terms } = describeTerms(options.termsOf(quote));
    return {
      amount: amountOf(name, quote, (context.adapter as GateAdapter).offered).toString(),
      asset: options.token,
      extra: {
        name: options.tokenName,
        version: options.tokenVersion,
        termsHash: hash,
        ...(name === "batch-settlement" ? { terms } : { unprotected: true, request: requestTag(bodyHash) }),
        ...(name === "upto" ? { assetTransferMethod: "permit2" } : {}),
        ...(name === "exact" ? { paymentFlow: "upfront" } : {}),
        ...(name === "batch-settlement" && options.minDeposit !== undefined ? { minDeposit: options.minDeposit.toString() } : {}),
      },
    };
  };
  const routeFor = (names: readonly SchemeName[]) => ({
    accepts: names.map((name) => ({
      scheme: name,
      network,
      payTo: name === "batch-settlement" ? options.escrow : options.vault!,
      price: priceOf(name),
      maxTimeoutSeconds: options.maxTimeoutSeconds ?? 3_600,
    })),
    mimeType: "application/json",
    extensions: { [PAYMENT_IDENTIFIER]: declarePaymentIdentifierExtension(false), ...declareEip2612GasSponsoringExtension() },
  });
  const serverFor = (names: readonly SchemeName[]) => new x402HTTPResourceServer(resource, { "*": routeFor(names) as never });
  const everything = serverFor(offered);
  /** A request that brings a payment is matched against offers of its own scheme: making all of them costs more than checking one. */
  const byScheme = new Map<string, x402HTTPResourceServer>(offered.map((name) => [name, serverFor([name])]));

  async function admit(request: GateRequest): Promise<Admission> {
    const payment = readPayment(request);
    const requestId = payment ? (extractPaymentIdentifier(payment) ?? undefined) : undefined;
    if (requestId) {
      const seen = book.answers.begin(requestId, request.bodyHash);
      if (seen) return repeated(seen, request.bodyHash);
    }
    const gate = new GateAdapter(request, payment);
    if (!payment && request.header("payment-signature")) {
      const unpaid = await everything.processHTTPRequest(new GateAdapter({ ...request, header: () => undefined }, undefined).context());
      const headers = unpaid.type === "payment-error" ? unpaid.response.headers : {};
      return { kind: "refused", response: json(402, headers, "PAYMENT_INVALID", "PAYMENT-SIGNATURE is not base64 of an x402 payment; sign one of the offers in PAYMENT-REQUIRED.") };
    }
    const failed = (response: ReturnType<typeof refusal>): Admission => {
      if (gate.single) book.answers.endSingle(gate.single, false);
      if (requestId) book.answers.finish(requestId, false);
      return { kind: "refused", response };
    };
    if (payment && singleAboveCap(payment, options.singleCap)) {
      return failed(json(402, {}, "PAYMENT_INVALID", `Unprotected payments are taken up to ${options.singleCap} units; use a channel.`));
    }
    try {
      const http = byScheme.get(payment?.accepted?.scheme ?? "") ?? everything;
      let result = await http.processHTTPRequest(gate.context());
      let deposit: SettleResponse | undefined;
      if (result.type === "payment-verified" && isDeposit(result.paymentPayload)) {
        const opened = await openChannel(result, gate);
        if ("status" in opened) return failed(opened);
        ({ result, deposit } = opened);
      }
      if (result.type === "no-payment-required") throw fatal("payments.free", "Every route behind the gate is paid.");
      if (result.type === "payment-error") {
        const { response } = result;
        if (response.status !== 200) return failed(refusal(response.status, response.headers));
        // A cooperative refund: the official scheme has answered it, there is nothing to infer.
        if (requestId) book.answers.finish(requestId, true);
        return { kind: "replay", response: { status: 200, headers: response.headers, body: JSON.stringify(response.body ?? {}) } };
      }
      const settle = (charge: bigint) => settleNow(result as Verified, gate, charge);
      if (result.paymentRequirements.scheme === "batch-settlement") {
        const terms = isDefault(result.paymentPayload) ? options.defaultTerms! : options.termsOf(request.quote);
        return { kind: "paid", paid: paidVoucher({ result, book, settle, deposit, requestId, terms }) };
      }
      const id = gate.single!;
      const terms = options.termsOf(request.quote);
      return { kind: "paid", paid: paidSingle({ result, book, settle, paymentId: id, requestId, terms }) };
    } catch (error) {
      if (gate.single) book.answers.endSingle(gate.single, false);
      if (requestId) book.answers.finish(requestId, false);
      throw error;
    }
  }

  /**
   * A first request brings a deposit. The stock server makes it after the handler; here it is on chain before anything is inferred, and
   * the request goes on as a voucher.
   */
  async function openChannel(verified: Verified, gate: GateAdapter) {
    const deposit = await settleNow(verified, gate, 0n);
    if (!deposit.success) return refusal(deposit.response.status, { ...deposit.response.headers });
    const { type: _, deposit: __, ...rest } = verified.paymentPayload.payload as Record<string, unknown>;
    const voucher: PaymentPayload = { ...verified.paymentPayload, payload: { ...rest, type: "voucher" } };
    const again = await resource.verifyPayment(voucher, verified.paymentRequirements, verified.declaredExtensions, { request: gate.context() });
    if (!again.isValid) return json(402, {}, "PAYMENT_INVALID", `The deposit is on chain, but its voucher was refused: ${again.invalidReason}.`);
    const cancellationDispatcher = resource.createPaymentCancellationDispatcher(
      voucher, verified.paymentRequirements, verified.declaredExtensions, { request: gate.context() },
    );
    return { result: { ...verified, paymentPayload: voucher, cancellationDispatcher }, deposit: deposit as SettleResponse };
  }

  function settleNow(verified: Verified, gate: GateAdapter, charge: bigint) {
    return everything.processSettlement(
      verified.paymentPayload, verified.paymentRequirements, verified.declaredExtensions, { request: gate.context() },
      { amount: charge.toString() }, verified.beforeHandlerSettlement,
    );
  }

  return {
    book,
    watch,
    async start() {
      book.clearLocks();
      await Promise.all([everything.initialize(), ...[...byScheme.values()].map((server) => server.initialize()), watch.step()]);
    },
    admit,
    acceptAck(ack: SignedAck) {
      const channel = book.bookedOf(ack.paymentId);
      if (!channel) throw fatal("payments.unknown_channel", "This node knows no channel with that id.", { paymentId: ack.paymentId });
      const { signature, ...message } = ack;
      const typed = ackTypedData(message, { chainId: options.chainId, verifyingContract: options.escrow });
      const signer = recoverSigner(typedDataDigest(typed), signature);
      const { payer, payerAuthorizer } = channel.channelConfig;
      if (!signer || (signer !== payer.toLowerCase() && signer !== payerAuthorizer.toLowerCase())) {
        throw fatal("payments.bad_ack", "The Ack is not signed by the channel's payer or its voucher key.", { paymentId: ack.paymentId });
      }
      if (ack.cumulative > BigInt(channel.chargedCumulativeAmount)) {
        throw fatal("payments.bad_ack", "The Ack is for more than was delivered.", { cumulative: ack.cumulative, charged: channel.chargedCumulativeAmount });
      }
      return book.setAck(ack.paymentId, ack.cumulative, signature);
    },
    storedReceipt: (paymentId: Hex, sequence: bigint) => book.answers.receipt(paymentId, sequence),
  };
}

type Verified = Extract<HTTPProcessResult, { type: "payment-verified" }>;

const isDeposit = (payment: PaymentPayload) => (payment.payload as { type?: unknown }).type === "deposit";
const isDefault = (payment: PaymentPayload) => BigInt((payment.payload as { channelConfig: { salt: Hex } }).channelConfig.salt) === 0n;
