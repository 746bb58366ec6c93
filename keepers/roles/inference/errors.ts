import { isKeeperError, messageOf } from "../../errors/index.ts";

/** An answer that says no: status, stable code, and a sentence for a person. docs/engineer/gateway.md lists the codes. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly status: number;
  readonly code: string;
  readonly details: Record<string, unknown> | undefined;
  /** Seconds, for 429 and 503. */
  readonly retryAfter: number | undefined;

  constructor(status: number, code: string, message: string, details?: Record<string, unknown>, retryAfter?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
    this.retryAfter = retryAfter;
  }

  toResponse(): Response {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (this.retryAfter !== undefined) headers["retry-after"] = String(this.retryAfter);
    const error = { code: this.code, message: this.message, ...(this.details ? { details: this.details } : {}) };
    return new Response(JSON.stringify({ error }), { status: this.status, headers });
  }
}

/** Codes of deeper layers that a client can do something about, with their HTTP form. */
const KNOWN: Record<string, [status: number, code: string]> = {
  "onnx.overloaded": [429, "OVERLOADED"],
  "onnx.timeout": [504, "UPSTREAM_TIMEOUT"],
  "upstream.timeout": [504, "UPSTREAM_TIMEOUT"],
  "upstream.failed": [502, "UPSTREAM_FAILED"],
  "payments.exposure": [429, "EXPOSURE_LIMIT"],
};

/** What the client is told of any failure. Texts of unknown errors stay in the log: they may hold what is not the client's. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  if (isKeeperError(error)) {
    const known = KNOWN[error.code];
    if (known) return new GatewayError(known[0], known[1], messageOf(error), undefined, known[0] === 429 ? 1 : undefined);
    if (/^(onnx|integer)\./.test(error.code)) return new GatewayError(400, "BAD_TENSOR", messageOf(error), { reason: error.code });
    if (error.family === "retryable") return new GatewayError(503, "NOT_READY", "The node cannot answer now. Nothing was charged; try again.", { reason: error.code }, 1);
  }
  return new GatewayError(500, "INTERNAL", "The node failed. Nothing was charged; the operator has the details in the log.");
}
