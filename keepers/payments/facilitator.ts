import { x402Facilitator } from "@x402/core/facilitator";
import type { FacilitatorClient } from "@x402/core/server";
import type { PaymentPayload, PaymentRequirements, SettleResponse } from "@x402/core/types";
import type { FacilitatorEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/facilitator";
import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { UptoEvmScheme } from "@x402/evm/upto/facilitator";
import { EIP2612_GAS_SPONSORING } from "@x402/extensions";
import { type Abi, type Account, type Address, type Hex, type PublicClient, concatHex, encodeFunctionData, keccak256, parseEventLogs } from "viem";
import { erc20Abi } from "../../sdk/payments/abi.ts";
import { messageOf } from "../errors/index.ts";
import type { Journal } from "../tx/index.ts";
import { type NonceStore, authorizationOf } from "./nonces.ts";
import { objectionToSignatures } from "./signatures.ts";
import type { TxSender } from "./types.ts";

export interface FacilitatorOptions {
  network: `${string}:${string}`;
  chainId: number;
  /** Sends deposits and transfers, and pays their gas. */
  sender: Address;
  tx: TxSender;
  client: PublicClient;
  /** Factories that may be called to deploy a payer's wallet (ERC-6492): an arbitrary call by us, so none by default. */
  allowedFactories?: readonly Address[];
  /** Assets that are taken; every other one is refused, whatever the requirements say. */
  assets: readonly Address[];
  /** Most of one payment, smallest token unit. */
  maxAmount?: bigint;
  /** Which authorisations were sent; without it only the token remembers. */
  nonces?: NonceStore;
  /** Distinguishes a repeated call with the same content (a retry) from another one. */
  nextKey?: () => string;
}

/**
 * The official facilitator with the three schemes, stricter where the stock one is lenient: amount 0, amounts, assets and
 * recipients other than the requirements', and unknown assets are refused when it is called alone, too.
 */
export function makeFacilitator(options: FacilitatorOptions): x402Facilitator {
  const signer = facilitatorSigner(options);
  const factories = [...(options.allowedFactories ?? [])];
  const facilitator = new x402Facilitator()
    .register(options.network, new BatchSettlementEvmScheme(signer, undefined, { eip6492AllowedFactories: factories }))
    .register(options.network, new UptoEvmScheme(signer))
    .register(options.network, new ExactEvmScheme(signer, { eip6492AllowedFactories: factories }))
    .registerExtension(EIP2612_GAS_SPONSORING);
  const settle = facilitator.settle.bind(facilitator);
  facilitator.settle = async (payment, requirements, ...rest) => {
    const used = authorizationOf(payment as PaymentPayload);
    const before = objection(payment as PaymentPayload, requirements as PaymentRequirements, "settle", options);
    if (used && !before && BigInt(requirements.amount) > 0n && options.nonces?.take((requirements as PaymentRequirements).asset, used.payer, used.nonce, used.digest) === "other") {
      return failedSettlement(requirements as PaymentRequirements, "nonce_used", "");
    }
    const result = await settle(payment, requirements, ...rest);
    // The official `exact` looks for the transfer itself; `upto` takes the call's word.
    if (!used || requirements.scheme !== "upto" || !result.success || !result.transaction) return result;
    return (await arrived(options.client, result.transaction as Hex, used.payer, requirements as PaymentRequirements))
      ? result
      : failedSettlement(requirements as PaymentRequirements, "transfer_missing", result.transaction);
  };
  const strict = (phase: "verify" | "settle") => async (context: { paymentPayload: PaymentPayload; requirements: PaymentRequirements }) => {
    const reason = objection(context.paymentPayload, context.requirements, phase, options);
    return reason ? ({ abort: true, reason } as const) : undefined;
  };
  return facilitator.onBeforeVerify(strict("verify")).onBeforeSettle(strict("settle"));
}

function failedSettlement({ network }: PaymentRequirements, errorReason: string, transaction: string): SettleResponse {
  return { success: false, errorReason, transaction, network };
}

/** The money arrived: the token says so itself, in the transaction that was to move it. A call that succeeds proves nothing. */
async function arrived(client: PublicClient, hash: Hex, payer: Address, { asset, payTo, amount }: PaymentRequirements): Promise<boolean> {
  const { logs } = await client.getTransactionReceipt({ hash });
  const transfers = parseEventLogs({ abi: erc20Abi, eventName: "Transfer", logs: logs.filter((log) => same(log.address, asset)) });
  return transfers.some(({ args }) => same(args.from, payer) && same(args.to, payTo) && args.value >= BigInt(amount));
}

/** The facilitator inside of the same process. */
export function localFacilitator(facilitator: x402Facilitator, network: string): FacilitatorClient {
  return {
    async verify(payload, requirements) {
      try {
        return await facilitator.verify(payload, requirements);
      } catch (error) {
        return { isValid: false, invalidReason: reasonOf(error) };
      }
    },
    async settle(payload, requirements) {
      try {
        return await facilitator.settle(payload, requirements);
      } catch (error) {
        // Refused before anything was sent. Everything else may have been sent: whoever asked must not take it for a refusal.
        if (!/^Settlement aborted: /.test(messageOf(error))) throw error;
        return { success: false, errorReason: reasonOf(error), transaction: "", network: network as SettleResponse["network"] };
      }
    },
    getSupported: () => Promise.resolve(facilitator.getSupported() as Awaited<ReturnType<FacilitatorClient["getSupported"]>>),
  };
}

/** Why a payment does not fit its requirements; undefined when it does. Pure; server and facilitator both ask. */
export function objection(
  payload: PaymentPayload,
  requirements: PaymentRequirements,
  phase: "verify" | "settle",
  limits: { network: string; assets: readonly Address[]; maxAmount?: bigint },
): string | undefined {
  const { accepted } = payload;
  if (payload.x402Version !== 2 || !accepted) return "invalid_x402_version";
  if (requirements.network !== limits.network || accepted.network !== requirements.network) return "invalid_network";
  if (accepted.scheme !== requirements.scheme) return "invalid_scheme";
  if (!limits.assets.some((asset) => same(asset, requirements.asset)) || !same(accepted.asset, requirements.asset)) return "invalid_asset";
  if (!same(accepted.payTo, requirements.payTo)) return "invalid_recipient";
  const [required, offered] = [amountOf(requirements.amount), amountOf(accepted.amount)];
  if (required === undefined || offered === undefined || offered === 0n) return "invalid_amount";
  // A settlement may be for less than what was verified (metered schemes), down to nothing; a verification is for all of it.
  const metered = requirements.scheme !== "exact";
  if (phase === "verify" ? required !== offered : required > offered || (!metered && required !== offered)) return "invalid_amount";
  if (limits.maxAmount !== undefined && offered > limits.maxAmount) return "amount_above_limit";
  const permitted = (payload.payload as { permit2Authorization?: { permitted?: { amount?: unknown } } }).permit2Authorization?.permitted?.amount;
  if (requirements.scheme === "upto" && amountOf(permitted) !== offered) return "invalid_amount";
  const unsound = objectionToSignatures(payload);
  if (unsound) return unsound;
  const value = (payload.payload as { authorization?: { value?: unknown } }).authorization?.value;
  if (requirements.scheme === "exact" && value !== undefined && amountOf(String(value)) !== required) return "invalid_amount";
  return undefined;
}

/** A facilitator's signer whose writes go through the keeper's transaction journal. */
export function facilitatorSigner(options: FacilitatorOptions): FacilitatorEvmSigner {
  const { client, tx, chainId, sender } = options;
  const send = async (to: Address, data: Hex) => {
    // A payment is sent once: the same call is the same intent.
    const key = `facilitator:${keccak256(concatHex([to, data]))}${options.nextKey ? `:${options.nextKey()}` : ""}`;
    return (await tx.submit({ key, chainId, to, data })).hash;
  };
  return {
    getAddresses: () => [sender],
    // Simulations run as the sender: proxies ask who calls.
    readContract: (args) => client.readContract({ ...args, account: sender } as never),
    verifyTypedData: (args) => client.verifyTypedData(args as never),
    writeContract: ({ address, abi, functionName, args, dataSuffix }) => {
      const data = encodeFunctionData({ abi: abi as Abi, functionName, args });
      return send(address, dataSuffix ? concatHex([data, dataSuffix]) : data);
    },
    sendTransaction: ({ to, data }) => send(to, data),
    waitForTransactionReceipt: async ({ hash }) => {
      const receipt = await client.waitForTransactionReceipt({ hash });
      return { status: receipt.status, logs: receipt.logs };
    },
    getCode: (args) => client.getCode(args),
  };
}

/** A keeper's journal as TxSender: one effect of an intent, whatever happens to the process. */
export function journalSender(journal: Pick<Journal, "submit">): TxSender {
  return {
    async submit(intent) {
      const { hash, receipt } = await journal.submit(intent);
      return { hash, receipt: receipt as unknown as Awaited<ReturnType<TxSender["submit"]>>["receipt"] };
    },
  };
}

/** A plain wallet as TxSender, for tests and scripts: it forgets with the process. */
export function walletSender(
  client: PublicClient,
  wallet: { account: Account; sendTransaction(args: { to: Address; data: Hex; value?: bigint }): Promise<Hex> },
): TxSender {
  const known = new Map<string, Promise<Awaited<ReturnType<TxSender["submit"]>>>>();
  return {
    submit({ key, to, data, value }) {
      let sent = known.get(key);
      if (!sent) {
        sent = wallet
          .sendTransaction({ to, data, ...(value === undefined ? {} : { value }) })
          .then(async (hash) => ({ hash, receipt: await client.waitForTransactionReceipt({ hash }) }));
        known.set(key, sent);
        sent.catch(() => known.delete(key));
      }
      return sent;
    },
  };
}

function amountOf(text: unknown): bigint | undefined {
  return typeof text === "string" && /^\d{1,39}$/.test(text) ? BigInt(text) : undefined;
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

function reasonOf(error: unknown): string {
  return messageOf(error).replace(/^(Verification|Settlement) aborted: /, "");
}
