import type { Hex } from "viem";
import { type DecodedOutput, type Inputs, type Program, decodeOutput, evaluateInteger, quantizeInput } from "../../circuits/compiler/index.ts";
import type { PaidResponse, Payment, PaymentClient } from "../payments/types.ts";
import { type ChatAnswer, type ProtocolDomain, SettlementMode, type Value, Verification, chatContent, committedRequest, nameOf, receiptDigest, tensorContent, wordList } from "../protocol/index.ts";
import { type Runnable, WrongOutputError, isWrongOutput, rightWords } from "../receipts/output.ts";
import { type Check, assertReceipt } from "../receipts/verify.ts";
import { type SignedReceipt, signedReceiptFromJson } from "../receipts/wire.ts";
import { NodeError, type NodeSession, nodeError } from "./session.ts";
import { type StreamedChat, readChat, streamChat } from "./stream.ts";

export interface ClientOptions {
  session: NodeSession;
  payments: PaymentClient;
  /** Where receipts are valid: InferenceSettlement on the settlement chain. */
  domain: ProtocolDomain;
  /** Seconds since 1970; the machine's clock by default. */
  now?: () => bigint;
}

/** What the developer chooses per request. */
export interface RequestChoice {
  /** Default Tee. */
  verification?: Value<typeof Verification>;
  /** Default Batch. */
  settlementMode?: Value<typeof SettlementMode>;
  /** Refuse to sign above this, smallest token unit. */
  maxCharge?: bigint;
  /** The same key and body returns the stored answer instead of a second one. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** An answer whose receipt holds, in every check. */
export interface Verified<T> {
  answer: T;
  receipt: SignedReceipt;
  digest: Hex;
  checks: Check[];
  payment: Payment;
}

export interface TensorInput {
  type?: string;
  shape: number[];
  data: (number | string | boolean)[];
}
export type TensorOutputs = Record<string, { type: string; shape: number[]; data: (number | string | boolean)[] }>;

/** A Groth16 proof as the node hands it out. */
export interface ProofAnswer {
  status: "pending" | "proven" | "failed";
  proof?: Hex;
  publicInputs?: string[];
  reason?: string;
}

/**
 * Buys inference from one node: every answer is paid, and its receipt is verified before the next voucher is signed.
 * A receipt that does not hold throws ReceiptError, and the channel is not used again.
 */
export class InferenceClient {
  readonly #options: ClientOptions;
  readonly #nextSequence = new Map<Hex, bigint>();

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** OpenAI chat, whole. @param body As for `/v1/chat/completions`. */
  async chat(body: Record<string, unknown>, choice: RequestChoice = {}): Promise<Verified<ChatAnswer>> {
    const paid = await this.#send("/v1/chat/completions", { ...body, stream: false }, choice);
    const json = (await paid.response.json()) as Record<string, unknown>;
    const answer = readChat(json);
    return this.#verify(paid, choice, body, json.opengradient, answer, chatContent(answer));
  }

  /** OpenAI chat, streamed: iterate over the text; `verified` resolves after the last piece. */
  async chatStream(body: Record<string, unknown>, choice: RequestChoice = {}): Promise<StreamedChat<Verified<ChatAnswer>>> {
    const paid = await this.#send("/v1/chat/completions", { ...body, stream: true }, choice);
    return streamChat(paid.response, (answer, opengradient) => this.#verify(paid, choice, body, opengradient, answer, chatContent(answer)));
  }

  /** Tensor inference. */
  async infer(model: string, inputs: Record<string, TensorInput>, choice: RequestChoice = {}): Promise<Verified<TensorOutputs>> {
    const body = { model, inputs };
    const paid = await this.#send("/v1/infer", body, choice);
    const json = (await paid.response.json()) as { outputs: TensorOutputs; opengradient: unknown };
    return this.#verify(paid, choice, body, json.opengradient, json.outputs, tensorContent(json.outputs));
  }

  /**
   * An `int` program in the words of its proofs: the answer has one text, so that a wrong one is a fault on chain.
   * @param program Run here to compare the answer with: `integerProgram` of the version's package.
   * @throws WrongOutputError with what convicts the node; nothing more is signed on the channel, and this answer not acknowledged.
   */
  async inferWords(model: string, words: readonly bigint[], choice: RequestChoice = {}, program?: Runnable): Promise<Verified<Hex[]>> {
    const asked = wordList(words);
    const body = { model, words: asked };
    // Before anything is paid: words that are no admissible input have no right answer.
    if (program) rightWords(program, words);
    const paid = await this.#send("/v1/infer", body, choice);
    const json = (await paid.response.json()) as { words: Hex[]; opengradient: unknown };
    return this.#verify(paid, choice, body, json.opengradient, json.words, tensorContent({ words: json.words }), ({ receipt, signature, salt }) => {
      const opening = { salt, model, words: asked };
      if (program && isWrongOutput(program, receipt, opening)) throw new WrongOutputError({ receipt, signature, opening });
    });
  }

  /**
   * The same with tensors in and out: quantised and packed here, as the program's own processing says.
   * @throws RangeError for a version with hashed words: it is asked with `infer`, and its answers cannot be disputed.
   */
  async inferProgram(model: string, program: Program & Runnable, inputs: Inputs, choice: RequestChoice = {}): Promise<Verified<DecodedOutput>> {
    if (program.hashedInput || program.hashedOutput) throw new RangeError(`The words of "${model}" are hashed: ask it with "infer".`);
    const { inputWords } = evaluateInteger(program.graph, quantizeInput(program, inputs).values, program.weights?.bytes);
    const verified = await this.inferWords(model, inputWords, choice, program);
    return { ...verified, answer: decodeOutput(program.graph.outputs, verified.answer.map(BigInt)) };
  }

  /** State of a ZKML answer's proof. */
  async proof(digest: Hex): Promise<ProofAnswer> {
    return (await this.#options.session.get(`/v1/proofs/${digest}`)) as ProofAnswer;
  }

  /** Accepts everything that was verified on a payment: the node is paid at once. @returns False when there is nothing to accept. */
  async acknowledge(paymentId: Hex): Promise<boolean> {
    const ack = await this.#options.payments.ack(paymentId);
    if (!ack) return false;
    const { session } = this.#options;
    const body = JSON.stringify({ ...ack, cumulative: ack.cumulative.toString() });
    const response = await session.fetch(session.url("/v1/acks"), { method: "POST", headers: { "content-type": "application/json" }, body });
    if (!response.ok) throw await nodeError(response);
    return true;
  }

  async #send(path: string, body: Record<string, unknown>, choice: RequestChoice): Promise<PaidResponse> {
    const { session, payments } = this.#options;
    const paid = await payments.fetch(session.url(path), {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-og-verification": HEADER_VERIFICATION[choice.verification ?? Verification.Tee]!,
        "x-settlement-type": nameOf(SettlementMode, choice.settlementMode ?? SettlementMode.Batch).toLowerCase(),
      },
      body: JSON.stringify(body),
      maxCharge: choice.maxCharge,
      idempotencyKey: choice.idempotencyKey,
      signal: choice.signal,
    });
    if (paid.response.ok) return paid;
    const error = await nodeError(paid.response);
    await paid.reject(error.message);
    throw error;
  }

  async #verify<T>(paid: PaidResponse, choice: RequestChoice, body: Record<string, unknown>, document: unknown, answer: T, content: string, judge: (signed: SignedReceipt) => void = () => {}): Promise<Verified<T>> {
    const { session, domain, now = () => BigInt(Math.floor(Date.now() / 1000)) } = this.#options;
    const { paymentId, ceiling, cumulativeBefore, termsHash } = paid;
    if (!paymentId || ceiling === undefined || cumulativeBefore === undefined || !termsHash) {
      throw new NodeError(paid.response.status, "NOT_PAID", "the answer came without a payment, so there is no receipt to verify");
    }
    try {
      const signed = signedReceiptFromJson(document);
      const { receipt } = signed;
      const key = await session.key(receipt.keyId, receipt.issuedAt);
      const checks = await assertReceipt(signed, {
        domain,
        key: { ...key, valid: key.valid && key.nodeId === session.info.nodeId },
        modelId: await session.modelId(String(body.model), choice.verification ?? Verification.Tee),
        termsHash,
        paymentId,
        cumulativeBefore,
        ceiling,
        nextSequence: this.#nextSequence.get(paymentId) ?? 0n,
        request: committedRequest(body),
        response: content,
        now: now(),
      });
      judge(signed);
      this.#nextSequence.set(paymentId, receipt.sequence + 1n);
      const payment = await paid.confirm({ paymentId, cumulativeBefore: receipt.cumulativeBefore, charge: receipt.charge, termsHash: receipt.termsHash });
      return { answer, receipt: signed, digest: receiptDigest(receipt, domain), checks, payment };
    } catch (error) {
      await paid.reject(error instanceof Error ? error.message : String(error), { poison: true });
      throw error;
    }
  }
}

const HEADER_VERIFICATION: Record<number, string> = {
  [Verification.Tee]: "tee",
  [Verification.Zkml]: "zkml",
  [Verification.TeeAndZkml]: "tee+zkml",
  [Verification.Vanilla]: "vanilla",
};
