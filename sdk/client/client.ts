import type { Hex } from "viem";
import { InputError, decodeOutput, evaluateInteger } from "../../circuits/compiler/index.ts";
import { type ProgramSource, type WordProgram, notProvable } from "../models/program.ts";
import { OUT_OF_DOMAIN, type TensorInput, type TensorOutputs, integersOf, statusTexts, tensorsOf } from "../models/tensors.ts";
import type { PaidResponse, Payment, PaymentClient } from "../payments/types.ts";
import { type ChatAnswer, type ProtocolDomain, SettlementMode, type Value, Verification, chatContent, committedRequest, nameOf, receiptDigest, tensorContent, wordList } from "../protocol/index.ts";
import { type Dispute, WrongOutputError, isWrongOutput } from "../receipts/output.ts";
import { type Check, ReceiptError, checkReceipt } from "../receipts/verify.ts";
import { type SignedReceipt, signedReceiptFromJson } from "../receipts/wire.ts";
import { askedInWords } from "./recourse.ts";
import { NodeError, type NodeSession, nodeError } from "./session.ts";
import { type StreamedChat, readChat, streamChat } from "./stream.ts";

export interface ClientOptions {
  session: NodeSession;
  payments: PaymentClient;
  /** Where receipts are valid: InferenceSettlement on the settlement chain. */
  domain: ProtocolDomain;
  /** Seconds since 1970; the machine's clock by default. */
  now?: () => bigint;
  /** Where `int` programs come from, to hold answers against: `publishedPrograms`. */
  programs?: ProgramSource;
  /** Keeps what convicts a node, before WrongOutputError is thrown: `fileDisputes`. @returns Where it is, for a person. */
  keepDispute?: (dispute: Dispute, digest: Hex) => Promise<string>;
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
  /** Default true. False: an `int` program is asked in tensors as well, unchecked; nobody can prove a wrong answer. */
  recourse?: boolean;
}

/** An answer whose receipt holds, in every check. */
export interface Verified<T> {
  answer: T;
  receipt: SignedReceipt;
  digest: Hex;
  checks: Check[];
  payment: Payment;
}

/** What a tensor answer can be held to. */
export interface Recourse {
  /** The program was run here, and gave the same answer. */
  checked: boolean;
  /** A wrong answer would have been a fault on chain. */
  provable: boolean;
  /** Why not, where either is false. */
  why: string | undefined;
}

export interface Inferred extends Verified<TensorOutputs> {
  recourse: Recourse;
  /** Status byte of an `int` program asked in words (`statusTexts`); undefined where none was answered. */
  status: number | undefined;
}

/** An answer as the body holds it: what responseHash commits to, and the `opengradient` object. */
interface Answered<T> {
  answer: T;
  content: string;
  document: unknown;
}

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
    return this.#verify(paid, choice, body, async () => {
      const json = await bodyOf(paid);
      const answer = readChat(json);
      return { answer, content: chatContent(answer), document: json.opengradient };
    });
  }

  /** OpenAI chat, streamed: iterate over the text; `verified` resolves after the last piece. */
  async chatStream(body: Record<string, unknown>, choice: RequestChoice = {}): Promise<StreamedChat<Verified<ChatAnswer>>> {
    const paid = await this.#send("/v1/chat/completions", { ...body, stream: true }, choice);
    return streamChat(paid.response, (answer, document) => this.#verify(paid, choice, body, async () => ({ answer, content: chatContent(answer), document })), paid.reject);
  }

  /**
   * Tensor inference. An `int` program is asked in the words of its proofs (the inputs are quantised and packed here), run here too and
   * compared: a wrong answer is a fault on chain. Where a version cannot be asked so, `recourse` says why, and its answer is taken in tensors.
   * @throws InputError before anything is paid, for inputs that have no answer.
   * @throws RecourseError before anything is paid, when an answer could be checked and the program cannot be had.
   * @throws WrongOutputError with what convicts the node; nothing more is signed on the channel, and this answer not acknowledged.
   */
  async infer(model: string, inputs: Readonly<Record<string, TensorInput>>, choice: RequestChoice = {}): Promise<Inferred> {
    const version = await this.#options.session.version(model, choice.verification ?? Verification.Tee);
    const asked = await askedInWords(version, choice, this.#options.programs);
    if (asked.program) return this.#inferWords(model, asked.program, inputs, choice, notProvable(version));
    const body = { model, inputs };
    const paid = await this.#send("/v1/infer", body, choice);
    const verified = await this.#verify(paid, choice, body, async () => {
      const { outputs, opengradient } = (await bodyOf(paid)) as { outputs: TensorOutputs; opengradient: unknown };
      return { answer: outputs, content: tensorContent(outputs), document: opengradient };
    });
    return { ...verified, status: undefined, recourse: { checked: false, provable: false, why: asked.why } };
  }

  async #inferWords(model: string, program: WordProgram, inputs: Readonly<Record<string, TensorInput>>, choice: RequestChoice, unprovable: string | undefined): Promise<Inferred> {
    const { inputWords, outputWords } = evaluateInteger(program.graph, integersOf(program, inputs), program.weights?.bytes);
    if (decodeOutput(program.graph.outputs, outputWords).status & OUT_OF_DOMAIN) throw new InputError(`a value of the answer ${statusTexts(OUT_OF_DOMAIN)[0]}: there is no answer`);
    const words = wordList(inputWords);
    const body = { model, words };
    const paid = await this.#send("/v1/infer", body, choice);
    const read = async () => {
      const { words: answer, opengradient } = (await bodyOf(paid)) as { words: Hex[]; opengradient: unknown };
      return { answer, content: tensorContent({ words: answer }), document: opengradient };
    };
    const verified = await this.#verify(paid, choice, body, read, async ({ receipt, signature, salt }) => {
      const opening = { salt, model, words };
      if (!isWrongOutput(program, receipt, opening)) return;
      const dispute = { receipt, signature, opening };
      // The answer is refused in any case; the caller has the dispute from the error, too.
      const kept = await this.#options.keepDispute?.(dispute, receiptDigest(receipt, this.#options.domain)).catch(() => undefined);
      throw new WrongOutputError(dispute, { unprovable, kept: kept ?? undefined });
    });
    const decoded = decodeOutput(program.graph.outputs, verified.answer.map(BigInt));
    return { ...verified, answer: tensorsOf(program, decoded), status: decoded.status, recourse: { checked: true, provable: unprovable === undefined, why: unprovable } };
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

  /** @param judge Throws on an answer that is refused although the node signed it. */
  async #verify<T>(paid: PaidResponse, choice: RequestChoice, body: Record<string, unknown>, read: () => Promise<Answered<T>>, judge?: (signed: SignedReceipt) => Promise<void>): Promise<Verified<T>> {
    const { session, domain, now = () => BigInt(Math.floor(Date.now() / 1000)) } = this.#options;
    const { paymentId, ceiling, cumulativeBefore, termsHash } = paid;
    if (!paymentId || ceiling === undefined || cumulativeBefore === undefined || !termsHash) {
      throw new NodeError(paid.response.status, "NOT_PAID", "the answer came without a payment, so there is no receipt to verify");
    }
    try {
      const { answer, content, document } = await read();
      const signed = signedReceiptFromJson(document);
      const { receipt } = signed;
      const key = await session.key(receipt.keyId, receipt.issuedAt);
      const checks = await checkReceipt(signed, {
        domain,
        key: { ...key, valid: key.valid && key.nodeId === session.info.nodeId },
        modelId: (await session.version(String(body.model), choice.verification ?? Verification.Tee)).modelId,
        termsHash,
        paymentId,
        cumulativeBefore,
        ceiling,
        nextSequence: this.#nextSequence.get(paymentId) ?? 0n,
        request: committedRequest(body),
        response: content,
        now: now(),
      });
      // What convicts the node does so whatever else is wrong with its receipt.
      if (checks.every(({ id, ok }) => ok || !CONVICTING.has(id))) await judge?.(signed);
      if (checks.some(({ ok }) => !ok)) throw new ReceiptError(checks);
      this.#nextSequence.set(paymentId, receipt.sequence + 1n);
      const payment = await paid.confirm({ paymentId, cumulativeBefore: receipt.cumulativeBefore, charge: receipt.charge, termsHash: receipt.termsHash });
      return { answer, receipt: signed, digest: receiptDigest(receipt, domain), checks, payment };
    } catch (error) {
      const interrupted = error instanceof NodeError && error.code === INTERRUPTED;
      await paid.reject(error instanceof Error ? error.message : String(error), { poison: !interrupted });
      throw error;
    }
  }
}

const INTERRUPTED = "INTERRUPTED";

/** An answer's body. A connection that breaks convicts nobody: the channel stays, and its next request begins where the node says that it stands. */
async function bodyOf({ response }: PaidResponse): Promise<Record<string, unknown>> {
  const text = await response.text().catch((error: unknown) => {
    throw new NodeError(response.status, INTERRUPTED, `the connection ended before the answer did (${error instanceof Error ? error.message : String(error)}); ask again`);
  });
  return JSON.parse(text) as Record<string, unknown>;
}

/** Checks of sdk/receipts/verify.ts without which a receipt is nothing to show to anybody: whose it is, and of which request. */
const CONVICTING = new Set(["node", "key", "key-valid", "signature", "model", "request"]);

const HEADER_VERIFICATION: Record<number, string> = {
  [Verification.Tee]: "tee",
  [Verification.Zkml]: "zkml",
  [Verification.TeeAndZkml]: "tee+zkml",
  [Verification.Vanilla]: "vanilla",
};
