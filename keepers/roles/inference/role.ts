/** The inference node: serves models over HTTP, is paid by x402, settles what it signed. */
import { join } from "node:path";
import { type Abi, type Address, type Hex, hexToBytes, keccak256, toHex } from "viem";
import { type Tariff, tariffHash } from "../../../sdk/payments/tariff.ts";
import { KeyType, Role as ProtocolRole, SettlementMode, type Terms, Verification, termsHash } from "../../../sdk/protocol/index.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import { iPaymentEscrowAbi } from "../../../types/abi/IPaymentEscrow.ts";
import type { Deployment } from "../../config/index.ts";
import { fatal, retryable } from "../../errors/index.ts";
import { type HttpServer, type TlsIdentity, serve } from "../../http/index.ts";
import { onnxInference } from "../../inference/index.ts";
import { type TokenDomain, facilitatorRules, tokenAddress } from "../../payments/token.ts";
import type { Quote } from "../../payments/types.ts";
import { type PolicyRule, rulesFor } from "../../signer/index.ts";
import { blobRenewal, type WalrusClient } from "../../walrus/index.ts";
import { demandRules } from "../demands/index.ts";
import { type EvidenceMaker, createNodeIdentity, nodeRules } from "../node/index.ts";
import type { Platform, Role } from "../platform.ts";
import { ownBlob } from "./blobs.ts";
import { catalog } from "./catalog.ts";
import { ownDemands } from "./demands.ts";
import { evidenceSigner } from "./evidence.ts";
import { gateway } from "./gateway.ts";
import type { ReceiptKey } from "./key.ts";
import { inboxWatch } from "./inbox-watch.ts";
import { inferenceLedger } from "./ledger.ts";
import { lastHeaders } from "./lastHeaders.ts";
import { type LoadedModels, loadModels } from "./models.ts";
import { paymentRoom } from "./paymentRoom.ts";
import type { BatchPolicy } from "./plan.ts";
import { provingRoom } from "./provingRoom.ts";
import { payloadRoom } from "./payloads.ts";
import { receiptIssuer } from "./receipts.ts";
import { settlementPass } from "./settle.ts";
import { type NodeTerms, rememberAllTerms, termsFor } from "./terms.ts";
import type { TrapOffer } from "./trapBatch.ts";
import { type TrapOptions, createTraps, trapRules } from "./traps.ts";
import { httpUpstream } from "./upstream.ts";

export interface InferenceRoleOptions {
  modelsFile: string;
  dataDir: string;
  upstream: { url: string; apiKey?: string };
  walrus: WalrusClient;
  token: TokenDomain;
  feeBpsCap: number;
  withdrawDelay: number;
  maxUnclaimed: bigint;
  claimAgeMs: number;
  claimExposure?: bigint;
  claimGasGwei: number;
  vault?: Address;
  singleCap: bigint;
  /** Storage of batches: epochs paid at a time, an epoch's length, and how long batches are kept, ms. */
  storage: { epochs: number; epochMs: number; keepMs: number };
  batch: BatchPolicy;
  maxBodyBytes: number;
  answerTimeoutMs: number;
  /** Seconds of the inbox's silence at which held intake stops; 0: a quarter of its T_silent. */
  stopSilence: number;
  traps: TrapOptions;
  /** `stopMs`: how long a stop waits for proofs of receipts whose key dies with it. */
  proof: { timeoutMs: number; memoryMb: number; stopMs: number };
  listen: { host: string; port: number };
  endpoint?: string;
  tls: TlsIdentity;
  node: { payout: Address; policyId: Hex; bond: bigint; nodeId?: Hex; makeEvidence: EvidenceMaker; heartbeatMs: number; relays?: readonly Hex[] };
}

/** What an inference node's hot key may sign. */
export function inferenceRules({ settlement, payment }: { settlement: Deployment; payment: Deployment | null }, config: { paymentToken?: Address; trapPrize: bigint }): PolicyRule[] {
  if (!payment) throw fatal("config.payment", "An inference node needs the payment chain: set OG_PAYMENT_RPC and OG_PAYMENT_ADDRESSES.");
  return [
    ...nodeRules(settlement),
    ...demandRules(settlement),
    ...rulesFor(settlement.chainId, settlement.address("InferenceSettlement"), iInferenceSettlementAbi as unknown as Abi, ["postBatch", "settle", "settleRun", "settleProvedRun", "finalize"]),
    ...rulesFor(payment.chainId, payment.address("PaymentEscrow"), iPaymentEscrowAbi as unknown as Abi, ["register", "claim", "claimPacked", "ack", "setDefaultTerms", "collect", "withdraw"]),
    ...facilitatorRules(payment.chainId, tokenAddress(payment, config.paymentToken)),
    ...(config.trapPrize > 0n ? trapRules(settlement) : []),
  ];
}

export function createInferenceRole(platform: Platform, options: InferenceRoleOptions): Role {
  const { settlement, payment, clock, jobs, journal, signer, store } = platform;
  const log = platform.logger.child({ part: "inference" });
  if (!payment) throw fatal("config.payment", "An inference node needs the payment chain.");
  const place = { paymentChainId: BigInt(payment.chainId), escrow: payment.deployment.address("PaymentEscrow") };
  const contract = { address: settlement.deployment.address("InferenceSettlement"), abi: iInferenceSettlementAbi } as const;
  const domain = { chainId: settlement.chainId, verifyingContract: contract.address };
  const ledger = inferenceLedger(store);
  const onnx = onnxInference();
  const evidence = evidenceSigner();
  const inbox = inboxWatch(platform, options.stopSilence);
  const keys = new Map<Hex, ReceiptKey>();
  const last = lastHeaders({ ledger, mine: (keyId) => keys.has(keyId), waitMs: options.proof.stopMs, clock, log });

  let identity: ReturnType<typeof createNodeIdentity> | undefined;
  let server: HttpServer | undefined;
  let app: { fetch(request: Request): Response | Promise<Response> } | undefined;
  let payments: ReturnType<typeof paymentRoom> | undefined;
  let settle: ReturnType<typeof settlementPass> | undefined;
  let stopping = false;
  let blocked: string | undefined = "starting";

  /** The current key epoch; earlier ones of this process are kept, for headers of receipts that they signed. */
  function key(): ReceiptKey {
    const { nodeId, keyId, publicKey, sign } = identity!.current();
    const known = keys.get(keyId);
    if (known) return known;
    const fresh = { nodeId, keyId, keyType: KeyType.Secp256k1, publicKey, sign };
    keys.set(keyId, fresh);
    return fresh;
  }

  /** Everything behind the door, once the node has its id. */
  async function open(models: LoadedModels): Promise<void> {
    const tariff: Tariff = { chainId: BigInt(payment!.chainId), token: options.token.address, prices: models.prices };
    const node = {
      nodeId: identity!.nodeId(),
      payout: options.node.payout,
      tariffHash: tariffHash(tariff),
      policyId: options.node.policyId,
      feeBpsCap: options.feeBpsCap,
      inbox: payment!.deployment.address("SettlementInbox"),
    };
    ledger.rememberTariff(tariff);
    rememberAllTerms(ledger, node, models.served);
    const modelOf = (modelId: Hex) => models.served.find((model) => model.modelId === modelId)!;
    const termsOf = (quote: Quote): Terms => termsFor(node, modelOf(quote.modelId), quote);

    // Unmodified x402 clients open channels without a salt: good for models without royalty, attested and in batches.
    const free = models.served.find((model) => model.royaltyBps === 0 && model.methods.includes(Verification.Tee));
    const defaultTerms = free && termsFor(node, free, { verification: Verification.Tee, settlementMode: SettlementMode.Batch });
    payments = paymentRoom(platform, { ...options, escrow: place.escrow, termsOf, ...(defaultTerms ? { defaultTerms } : {}) });
    await payments.start();
    const { gate, offerFields } = payments;

    const proving = provingRoom(platform, {
      ledger,
      models: models.proving,
      context: (receipt) => settlement.client.readContract({ ...contract, functionName: "proofContext", args: [receipt, node.payout] }),
      scratch: join(options.dataDir, "witnesses"),
      limits: options.proof,
    });
    proving.start();

    const { epochs, epochMs, keepMs } = options.storage;
    const renewal = blobRenewal({ store, walrus: options.walrus, clock, logger: log, epochs, epochMs });
    const keepBlob = (blobId: Hex, contentHash: Hex) => renewal.note(blobId, contentHash, clock.now() + keepMs);
    const payloads = payloadRoom({ store, walrus: options.walrus, clock, log, keepBlob });
    jobs.every("renew", 3_600_000, async () => void (await renewal.renew((blobId) => ownBlob(ledger, blobId))));
    jobs.every("payloads", 1_000, () => payloads.upload());

    app = gateway({
      payloads,
      gate,
      ledger,
      issue: receiptIssuer({ key, domain, clock }),
      tariff: () => tariff,
      clock,
      log,
      catalog: catalog(models.served),
      upstream: httpUpstream(options.upstream),
      evidence,
      timeoutMs: options.answerTimeoutMs,
      enqueueProof: (order) => proving.enqueue(order as Parameters<typeof proving.enqueue>[0]),
      key,
      offer: async (quote) => {
        const terms = termsOf(quote);
        return { terms, termsHash: termsHash(terms), tariff, ceiling: quote.ceiling, ...offerFields };
      },
      attest: async (nonce) => {
        const userData = hexToBytes(options.tls.spkiHash);
        return hexToBytes((await options.node.makeEvidence({ publicKey: hexToBytes(key().publicKey), userData, nonce })).evidence);
      },
      notReady: () => blocked,
      heldIntake: inbox.heldIntake,
      maxBodyBytes: options.maxBodyBytes,
    });
    const traps = options.traps.prize > 0n ? createTraps({ platform, ledger, domain, options: options.traps, offers: trapOffers(node, models), key: () => ({ ...key(), validFrom: identity!.current().validFrom }) }) : undefined;
    if (traps) jobs.every("traps", settlement.pollMs * 10, () => traps.step());
    settle = settlementPass({ ...(traps ? { traps } : {}), keepBlob, ledger, journal, settlement, domain, keyById: (keyId) => keys.get(keyId), walrus: options.walrus, place, policy: options.batch, clock, log });
    jobs.every("settle", 500, () => settle!());
    const demands = ownDemands(platform, ledger, domain);
    jobs.every("demands", settlement.pollMs * 5, () => demands.step());
    jobs.every("demand-credit", 3_600_000, () => demands.withdraw());
    await inbox.step();
    jobs.every("inbox", payment!.pollMs, () => inbox.step());
    platform.metrics.onScrape(() => {
      const { pending, headers } = ledger.counts();
      platform.metrics.gauge("receipts_pending", pending);
      platform.metrics.gauge("headers_signed", headers);
      platform.metrics.gauge("inbox_silent_seconds", inbox.silentFor() ?? -1);
      for (const [state, count] of Object.entries(proving.counts())) platform.metrics.gauge("proofs", count, { state });
    });
  }

  /**
   * The receipt key dies with this process, so what it signed goes into last headers now, due or not, and what was delivered is claimed.
   * A header that is signed and not mined in time goes out after the next start.
   */
  async function closeOut(): Promise<void> {
    await Promise.all([settle && last.settle(settle), payments?.claim(true)]);
  }

  return {
    ready: { node: () => (identity ? identity.ready() : "not registered yet"), gateway: () => blocked ?? null },
    status: () => ({ url: server?.url ?? null, node: identity?.status() ?? null, receipts: ledger.counts(), blocked: blocked ?? null, heldIntake: inbox.heldIntake() ?? "open" }),
    async start() {
      const models = await loadModels(options.modelsFile, settlement, options.walrus, onnx);
      server ??= await serve({
        ...options.listen,
        tls: options.tls,
        fetch: (request) => app?.fetch(request) ?? new Response(JSON.stringify({ error: { code: "NOT_READY", message: "The node is starting. Try again." } }), { status: 503, headers: { "content-type": "application/json", "retry-after": "1" } }),
      });
      identity ??= createNodeIdentity(platform, {
        ...options.node,
        role: ProtocolRole.Inference,
        workload: keccak256(toHex("og.inference")),
        paymentAuthorizer: signer.address,
        endpoint: options.endpoint ?? server.url,
        tlsSpkiHash: options.tls.spkiHash,
        hpkeKeyHash: `0x${"00".repeat(32)}`,
      });
      await identity.start();
      if (!app) await open(models);
      if (!stopping) blocked = undefined;
      log.info({ url: server.url, models: models.served.map(({ name, methods }) => ({ name, methods })) }, "gateway open");
    },
    stopMs: () => (last.unproven().length > 0 ? options.proof.stopMs : 0),
    async stop() {
      stopping = true;
      blocked = "the node is stopping";
      await server?.close(2_000);
      await closeOut().catch((error: unknown) => log.error({ error }, "not everything was signed and claimed before the stop; it goes on after the next start"));
      await onnx.close();
    },
    actions: {
      /** Claims everything that was delivered, due or not. */
      claim: async () => {
        if (!payments) throw retryable("inference.starting", "The node is starting; try again.");
        return payments.claim(true);
      },
    },
  };
}

/** Versions that this node answers for attested and in batches: a planted batch looks like one of these. */
function trapOffers(node: NodeTerms, { served, prices }: LoadedModels): TrapOffer[] {
  const attested = served.filter(({ methods }) => methods.includes(Verification.Tee));
  return attested.map((model) => ({
    modelId: model.modelId, termsHash: termsHash(termsFor(node, model, { verification: Verification.Tee, settlementMode: SettlementMode.Batch })), price: prices.find(({ modelId }) => modelId === model.modelId)!,
  }));
}
