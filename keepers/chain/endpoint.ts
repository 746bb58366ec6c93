import { messageOf, retryable } from "../errors/index.ts";

/** One JSON-RPC endpoint. `call` throws `RpcAnswerError` when the node answered with an error, a KeeperError when it did not answer. */
export interface RpcEndpoint {
  /** For logs and metrics: the host, never the path (that is where providers put their keys). */
  readonly name: string;
  call(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown>;
}

/** The node understood and said no. `code`, `message` and `data` as in JSON-RPC, which is what viem reads too. */
export class RpcAnswerError extends Error {
  override readonly name = "RpcAnswerError";
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export function httpEndpoint(url: string): RpcEndpoint {
  const name = new URL(url).host;
  let id = 0;
  return {
    name,
    async call(method, params, signal) {
      let body: string;
      try {
        const response = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params }),
          signal,
        });
        if (Number(response.headers.get("content-length") ?? 0) > MAX_ANSWER_BYTES) throw new Error("the answer is too large");
        body = await response.text();
        // Some nodes answer a JSON-RPC error with a 4xx; HTML and 5xx are the proxy speaking.
        if (!response.ok && !body.startsWith("{")) throw new Error(`HTTP ${response.status}`);
        if (response.status === 429 || response.status >= 500) throw new Error(`HTTP ${response.status}`);
      } catch (error) {
        throw retryable("chain.endpoint", `${name} did not answer ${method}: ${messageOf(error)}`, { endpoint: name, method }, { cause: error });
      }
      return parseAnswer(name, method, body);
    },
  };
}

/** @throws `chain.endpoint` when the text is not a JSON-RPC answer. */
export function parseAnswer(name: string, method: string, body: string): unknown {
  let answer: { result?: unknown; error?: { code?: unknown; message?: unknown; data?: unknown } };
  try {
    answer = JSON.parse(body) as typeof answer;
  } catch {
    throw retryable("chain.endpoint", `${name} answered ${method} with something that is not JSON.`, { endpoint: name, method });
  }
  if (answer !== null && typeof answer === "object" && answer.error && typeof answer.error === "object") {
    throw new RpcAnswerError(Number(answer.error.code ?? -32603), String(answer.error.message ?? "unknown error"), answer.error.data);
  }
  if (answer === null || typeof answer !== "object" || !("result" in answer)) {
    throw retryable("chain.endpoint", `${name} answered ${method} without a result.`, { endpoint: name, method });
  }
  return answer.result;
}
