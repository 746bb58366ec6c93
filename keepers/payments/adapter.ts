import type { HTTPAdapter, HTTPRequestContext } from "@x402/core/http";
import type { PaymentPayload } from "@x402/core/types";
import type { GateRequest } from "./types.ts";

/** A gateway's request as the official server reads it, with what the gate has found out on the way. */
export class GateAdapter implements HTTPAdapter {
  readonly request: GateRequest;
  /** The payment as sent, if it could be read. */
  readonly offered: PaymentPayload | undefined;
  /** A single payment that this request has taken; given back if it is not paid. */
  single: `0x${string}` | undefined;

  constructor(request: GateRequest, offered: PaymentPayload | undefined) {
    this.request = request;
    this.offered = offered;
  }

  getHeader(name: string): string | undefined {
    return this.request.header(name.toLowerCase());
  }
  getMethod(): string {
    return this.request.method;
  }
  getPath(): string {
    return this.request.path;
  }
  getUrl(): string {
    return this.request.url;
  }
  getAcceptHeader(): string {
    // Never an HTML paywall: this is an API.
    return "application/json";
  }
  getUserAgent(): string {
    return this.request.header("user-agent") ?? "";
  }
  getBody(): unknown {
    return this.request.body;
  }
  context(): HTTPRequestContext {
    const { method, path } = this.request;
    return { adapter: this, method, path };
  }
}

export function gateOf(context: { adapter: HTTPAdapter }): GateAdapter {
  return context.adapter as GateAdapter;
}
