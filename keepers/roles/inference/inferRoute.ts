import type { Hex } from "viem";
import { Finish, Outcome, ResponseKind, Verification, committedRequest, tensorContent, wordList } from "../../../sdk/protocol/index.ts";
import type { InferBody } from "./body.ts";
import type { Catalog, TensorAnswer, TensorRunner } from "./catalog.ts";
import { described } from "./chatRoute.ts";
import { GatewayError, asGatewayError } from "./errors.ts";
import type { IssuedReceipt } from "./receipts.ts";
import { type Choice, type ServeDeps, admit, quoteFor } from "./serve.ts";

export interface InferDeps extends ServeDeps {
  catalog: Catalog;
  /** Milliseconds that an answer may take. */
  timeoutMs: number;
  /** Queues the proof of a receipt, inside of the transaction that stores it. */
  enqueueProof(job: { digest: Hex; modelId: Hex; witness: unknown }): void;
}

interface Answer {
  /** Of the HTTP body. */
  body: Record<string, unknown>;
  /** What responseHash is of. */
  committed: Record<string, unknown>;
  units: TensorAnswer["units"];
  witness?: unknown;
}

/** In tensors, or in the words of a proof: then the answer has one text, and a wrong one is a fault on chain. */
async function answerTo(runner: TensorRunner, body: InferBody, timeoutMs: number): Promise<Answer> {
  if ("inputs" in body) {
    const { outputs, ...rest } = await runner.run(body.inputs, AbortSignal.timeout(timeoutMs));
    return { ...rest, body: { outputs }, committed: outputs };
  }
  if (!runner.runWords) throw new GatewayError(400, "BAD_REQUEST", `"${body.model}" is not asked in words: its input is not a proof's public input. Send "inputs".`);
  const { words, ...rest } = await runner.runWords(body.words.map(BigInt));
  const answer = { words: wordList(words) };
  return { ...rest, body: answer, committed: answer };
}

/** `/v1/infer`: runs a tensor model here, signs, and queues the proof when the client asked for one. */
export async function inferRoute(deps: InferDeps, request: Request, body: InferBody, choice: Choice): Promise<Response> {
  const model = deps.catalog.find(body.model, choice.verification, "tensor");
  const runner = model.runner!;
  const entry = await admit(deps, request, body, model, quoteFor(deps.tariff(), model, choice, runner.maxUnits));
  if (entry instanceof Response) return entry;

  let answer: Answer;
  try {
    answer = await answerTo(runner, body, deps.timeoutMs);
  } catch (error) {
    const refusal = asGatewayError(error);
    await entry.fail(refusal.code);
    throw refusal;
  }
  const proves = choice.verification === Verification.Zkml || choice.verification === Verification.TeeAndZkml;
  const headers = { "content-type": "application/json" };
  const bodyOf = (issued: IssuedReceipt) =>
    JSON.stringify({
      model: body.model,
      ...answer.body,
      opengradient: { ...described(entry, issued), ...(proves ? { proofUrl: `/v1/proofs/${issued.digest}` } : {}) },
    });
  const { issued, settlement } = await entry.settle({
    facts: {
      modelId: model.modelId,
      request: committedRequest(body),
      content: tensorContent(answer.committed),
      kind: ResponseKind.Tensors,
      finish: Finish.Stop,
      outcome: Outcome.Complete,
      inputUnits: answer.units.input,
      outputUnits: answer.units.output,
    },
    usage: answer.units,
    response: (receipt) => ({ status: 200, headers, body: bodyOf(receipt) }),
    alongside: (digest) => {
      if (proves) deps.enqueueProof({ digest, modelId: model.modelId, witness: answer.witness });
    },
  });
  return new Response(bodyOf(issued), { status: 200, headers: { ...headers, ...settlement.headers } });
}
