import type { Hex } from "viem";
import { Finish, Outcome, ResponseKind, Verification, committedRequest, tensorContent } from "../../../sdk/protocol/index.ts";
import type { InferBody } from "./body.ts";
import type { Catalog, TensorAnswer } from "./catalog.ts";
import { described } from "./chatRoute.ts";
import { asGatewayError } from "./errors.ts";
import type { IssuedReceipt } from "./receipts.ts";
import { type Choice, type ServeDeps, admit, quoteFor } from "./serve.ts";

export interface InferDeps extends ServeDeps {
  catalog: Catalog;
  /** Milliseconds that an answer may take. */
  timeoutMs: number;
  /** Queues the proof of a receipt, inside of the transaction that stores it. */
  enqueueProof(job: { digest: Hex; modelId: Hex; witness: unknown }): void;
}

/** `/v1/infer`: runs a tensor model here, signs, and queues the proof when the client asked for one. */
export async function inferRoute(deps: InferDeps, request: Request, body: InferBody, choice: Choice): Promise<Response> {
  const model = deps.catalog.find(body.model, choice.verification, "tensor");
  const runner = model.runner!;
  const entry = await admit(deps, request, body, model, quoteFor(deps.tariff(), model, choice, runner.maxUnits));
  if (entry instanceof Response) return entry;

  let answer: TensorAnswer;
  try {
    answer = await runner.run(body.inputs, AbortSignal.timeout(deps.timeoutMs));
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
      outputs: answer.outputs,
      opengradient: { ...described(entry, issued), ...(proves ? { proofUrl: `/v1/proofs/${issued.digest}` } : {}) },
    });
  const { issued, settlement } = await entry.settle({
    facts: {
      modelId: model.modelId,
      request: committedRequest(body),
      content: tensorContent(answer.outputs as unknown as Record<string, unknown>),
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
