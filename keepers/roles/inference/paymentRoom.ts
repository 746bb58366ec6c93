import { type Address, type TypedDataDefinition, hashTypedData, keccak256 } from "viem";
import { describeTerms } from "../../../sdk/payments/wire.ts";
import type { Terms } from "../../../sdk/protocol/index.ts";
import { iPaymentEscrowAbi } from "../../../types/abi/IPaymentEscrow.ts";
import { fatal } from "../../errors/index.ts";
import { unclaimedOf } from "../../payments/book.ts";
import { setDefaultTermsCall } from "../../payments/calls.ts";
import { claimScheduler } from "../../payments/claims.ts";
import { journalSender, localFacilitator, makeFacilitator } from "../../payments/facilitator.ts";
import { nonceStore } from "../../payments/nonces.ts";
import { paymentGate } from "../../payments/gate.ts";
import type { TokenDomain } from "../../payments/token.ts";
import type { Quote } from "../../payments/types.ts";
import type { Platform } from "../platform.ts";

export interface PaymentRoomOptions {
  token: TokenDomain;
  escrow: Address;
  /** Seconds. */
  withdrawDelay: number;
  /** Smallest token unit, per payer. */
  maxUnclaimed: bigint;
  claimAgeMs: number;
  /** Smallest token unit; default: half of `maxUnclaimed`. */
  claimExposure?: bigint;
  /** 0: claims never wait for cheaper gas. */
  claimGasGwei: number;
  /** Where unprotected payments go; they are not offered without it. */
  vault?: Address;
  /** Most of one unprotected payment, smallest token unit. */
  singleCap: bigint;
  /** What a channel with salt 0 stands for: unmodified x402 clients. */
  defaultTerms?: Terms;
  termsOf(quote: Quote): Terms;
}

/** Rows of one claim: about 26,000 gas each, under the cap of 16.7 million a transaction. */
const MAX_CLAIM_ROWS = 500;

/** The node's till: facilitator, gate and claims over one book, every write through the journal. */
export function paymentRoom({ payment, signer, journal, store, clock, jobs, metrics, logger }: Platform, options: PaymentRoomOptions) {
  if (!payment) throw fatal("config.payment", "An inference node needs the payment chain.");
  const network = `eip155:${payment.chainId}` as const;
  const { address: token, name: tokenName, version: tokenVersion } = options.token;
  const tx = journalSender(journal);
  const authorizer = { address: signer.address, signTypedData: (typed: unknown) => signer.signDigest(hashTypedData(typed as TypedDataDefinition)) };
  const facilitator = makeFacilitator({ network, chainId: payment.chainId, sender: signer.address, tx, client: payment.client, assets: [token], nonces: nonceStore(store) });
  const log = logger.child({ part: "payments" });

  const gate = paymentGate({
    store,
    clock,
    facilitator: localFacilitator(facilitator, network),
    network,
    chainId: payment.chainId,
    token,
    tokenName,
    tokenVersion,
    escrow: options.escrow,
    authorizer,
    withdrawDelay: options.withdrawDelay,
    termsOf: options.termsOf,
    exposureCap: options.maxUnclaimed,
    singleCap: options.singleCap,
    ...(options.vault ? { vault: options.vault } : {}),
    ...(options.defaultTerms ? { defaultTerms: options.defaultTerms } : {}),
    client: payment.client,
    reorgDepth: BigInt(payment.reorgDepth),
    onUrgent: (paymentId) => {
      log.warn({ paymentId }, "a channel must be claimed now");
      jobs.kick("claim");
    },
  });
  const claims = claimScheduler({
    book: gate.book,
    clock,
    client: payment.client,
    watch: gate.watch,
    tx,
    chainId: payment.chainId,
    escrow: options.escrow,
    authorizer,
    sender: signer.address,
    policy: {
      exposure: options.claimExposure ?? options.maxUnclaimed / 2n, ageMs: options.claimAgeMs, maxRows: MAX_CLAIM_ROWS,
      ...(options.claimGasGwei > 0 ? { maxGasPrice: BigInt(options.claimGasGwei) * 1_000_000_000n } : {}),
    },
  });

  /** Puts the default terms on chain, if they are not what it holds: channels with salt 0 are claimed under them. */
  async function announceDefaultTerms(): Promise<void> {
    const { defaultTerms, escrow } = options;
    if (!defaultTerms) return;
    const held = await payment!.client.readContract({ address: escrow, abi: iPaymentEscrowAbi, functionName: "defaultTermsOf", args: [signer.address] });
    if (held === describeTerms(defaultTerms).hash) return;
    const data = setDefaultTermsCall(defaultTerms);
    const { hash } = await tx.submit({ key: `payments:default-terms:${held}:${keccak256(data)}`, chainId: payment!.chainId, to: escrow, data });
    log.info({ tx: hash, termsHash: describeTerms(defaultTerms).hash }, "default terms announced");
  }

  /** Claims what is due, or everything. */
  async function claim(all: boolean) {
    const { claimed, acked, transactions } = await claims.run(all);
    const rows = claimed.map(({ channel, reason }) => ({ paymentId: channel.channelId, amount: unclaimedOf(channel).toString(), reason }));
    if (transactions.length > 0) log.info({ claimed: rows, acked, transactions }, "claimed");
    return { claimed: rows, acked, transactions, unclaimed: claims.exposure().toString() };
  }

  return {
    gate,
    /** Fields of an offer that are the till's own. */
    offerFields: { network, token, tokenName, tokenVersion, escrow: options.escrow, authorizer: signer.address, withdrawDelay: options.withdrawDelay, ...(options.vault ? { vault: options.vault } : {}) },
    async start() {
      await announceDefaultTerms();
      await gate.start();
      jobs.every("watch-channels", payment.pollMs, () => gate.watch.step());
      jobs.every("claim", Math.min(options.claimAgeMs, 5_000), async () => void (await claim(false)));
      metrics.onScrape(() => {
        const { total, worst, payers, oldestAt } = claims.report();
        metrics.gauge("payments_unclaimed", Number(total));
        metrics.gauge("payments_unclaimed_worst_payer", Number(worst));
        metrics.gauge("payments_unclaimed_payers", payers);
        metrics.gauge("payments_unclaimed_bound_per_payer", Number(options.maxUnclaimed));
        metrics.gauge("payments_unclaimed_oldest_seconds", oldestAt === undefined ? 0 : Math.max(0, (clock.now() - oldestAt) / 1000));
      });
    },
    claim,
  };
}
