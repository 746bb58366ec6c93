import { isRecord, jsonEvents } from "../../../sdk/openai/events.ts";
import { GatewayError } from "./errors.ts";

/** Any OpenAI-compatible server: the embedded model, a local engine, or a provider. */
export interface Upstream {
  /** One answer, whole. */
  complete(path: string, body: Record<string, unknown>, signal: AbortSignal): Promise<Record<string, unknown>>;
  /** One answer in chunks (the objects behind `data:`), the last of which has `usage`. */
  stream(path: string, body: Record<string, unknown>, signal: AbortSignal): AsyncGenerator<Record<string, unknown>>;
}

export interface UpstreamOptions {
  /** Base URL without `/v1`. */
  url: string;
  apiKey?: string;
  fetch?: typeof fetch;
}

/** @throws GatewayError UPSTREAM_FAILED, or the upstream's own 400 as BAD_REQUEST. */
export function httpUpstream({ url, apiKey, fetch: doFetch = fetch }: UpstreamOptions): Upstream {
  async function post(path: string, body: Record<string, unknown>, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (apiKey) headers.authorization = `Bearer ${apiKey}`;
    let response: Response;
    try {
      response = await doFetch(new URL(path, url), { method: "POST", headers, body: JSON.stringify(body), signal });
    } catch (error) {
      if (signal.aborted) throw new GatewayError(504, "UPSTREAM_TIMEOUT", "The model did not answer in time. Nothing was charged; try again or ask for less.");
      throw new GatewayError(502, "UPSTREAM_FAILED", "The model is not reachable. Nothing was charged; try again.", { cause: String(error) });
    }
    if (response.ok) return response;
    const answer: unknown = await response.json().catch(() => undefined);
    const reason = isRecord(answer) && isRecord(answer.error) && typeof answer.error.message === "string" ? answer.error.message : `status ${response.status}`;
    if (response.status === 400 || response.status === 422) throw new GatewayError(400, "BAD_REQUEST", `The model refused the request: ${reason}`);
    throw new GatewayError(502, "UPSTREAM_FAILED", `The model failed (${reason}). Nothing was charged; try again.`);
  }

  return {
    async complete(path, body, signal) {
      const answer: unknown = await (await post(path, { ...body, stream: false }, signal)).json();
      if (!isRecord(answer)) throw new GatewayError(502, "UPSTREAM_FAILED", "The model's answer is not an object. Nothing was charged.");
      return answer;
    },
    async *stream(path, body, signal) {
      const response = await post(path, { ...body, stream: true, stream_options: { include_usage: true } }, signal);
      if (!response.body) throw new GatewayError(502, "UPSTREAM_FAILED", "The model's answer has no body. Nothing was charged.");
      yield* jsonEvents(response.body);
    },
  };
}
