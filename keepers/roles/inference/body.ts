import { z } from "zod";
import { SettlementMode, Verification } from "../../../sdk/protocol/index.ts";
import { isKeeperError } from "../../errors/index.ts";
import { readJson } from "../../http/index.ts";
import { GatewayError } from "./errors.ts";

/** Bodies of the paid routes: what the node reads is typed, what it does not know travels on to the upstream untouched. */

const message = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool"]),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() })), z.null()]).optional(),
  tool_calls: z.array(z.looseObject({})).optional(),
  tool_call_id: z.string().optional(),
});

const generation = {
  model: z.string().min(1),
  max_tokens: z.number().int().positive().optional(),
  max_completion_tokens: z.number().int().positive().optional(),
  temperature: z.number().min(0).max(2).optional(),
  n: z.literal(1, { message: "one answer a request: a receipt covers one" }).optional(),
  stream: z.boolean().optional(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).optional(),
};

const chatBody = z.looseObject({ ...generation, messages: z.array(message).min(1) });
const completionBody = z.looseObject({ ...generation, prompt: z.string() });

const tensor = z.strictObject({
  type: z.string().optional(),
  shape: z.array(z.number().int().nonnegative()),
  data: z.array(z.union([z.number(), z.string(), z.boolean()])),
});
const inferBody = z.union([
  z.strictObject({ model: z.string().min(1), inputs: z.record(z.string(), tensor) }),
  z.strictObject({ model: z.string().min(1), words: z.array(z.string().regex(/^0x[0-9a-f]{64}$/)).min(1) }),
]);

const ackBody = z.strictObject({
  paymentId: z.string().regex(/^0x[0-9a-f]{64}$/i),
  cumulative: z.string().regex(/^\d{1,39}$/),
  signature: z.string().regex(/^0x([0-9a-f]{2})+$/i),
});

export type ChatBody = z.infer<typeof chatBody>;
export type CompletionBody = z.infer<typeof completionBody>;
export type InferBody = z.infer<typeof inferBody>;
export type TensorBody = z.infer<typeof tensor>;

export const schemas = { chat: chatBody, completion: completionBody, infer: inferBody, ack: ackBody } as const;

/** @throws GatewayError BODY_TOO_LARGE, BAD_JSON or BAD_REQUEST naming the first field that is wrong. */
export async function readBody<T>(request: Request, schema: z.ZodType<T>, maxBytes: number): Promise<T> {
  let json: unknown;
  try {
    json = await readJson(request, maxBytes);
  } catch (error) {
    if (!isKeeperError(error)) throw error;
    if (error.code === "http.too_large") throw new GatewayError(413, "BODY_TOO_LARGE", error.message, { maxBytes });
    throw new GatewayError(400, "BAD_JSON", error.message);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const path = issue.path.join(".") || "body";
    throw new GatewayError(400, "BAD_REQUEST", `"${path}" is not valid: ${issue.message}.`, { path });
  }
  return parsed.data;
}

const VERIFICATIONS: Record<string, number> = { tee: Verification.Tee, zkml: Verification.Zkml, "tee+zkml": Verification.TeeAndZkml, vanilla: Verification.Vanilla };
const MODES: Record<string, number> = { private: SettlementMode.Private, batch: SettlementMode.Batch, individual: SettlementMode.Individual };

/** Verification and settlement that the request's headers ask for. @throws GatewayError BAD_VERIFICATION, BAD_SETTLEMENT_TYPE */
export function readChoice(header: (name: string) => string | undefined): { verification: number; settlementMode: number } {
  const verification = header("x-og-verification")?.toLowerCase() ?? "tee";
  const mode = header("x-settlement-type")?.toLowerCase() ?? "batch";
  if (!(verification in VERIFICATIONS)) {
    throw new GatewayError(400, "BAD_VERIFICATION", `X-OG-VERIFICATION is "${verification}"; use ${Object.keys(VERIFICATIONS).join(", ")}.`);
  }
  if (!(mode in MODES)) {
    throw new GatewayError(400, "BAD_SETTLEMENT_TYPE", `X-SETTLEMENT-TYPE is "${mode}"; use ${Object.keys(MODES).join(", ")}.`);
  }
  return { verification: VERIFICATIONS[verification]!, settlementMode: MODES[mode]! };
}
