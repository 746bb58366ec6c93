/**
 * Quotes from dstack's guest agent: HTTP over a Unix socket, POST /GetQuote with the report data in hex, the quote in hex back.
 * Containers of older releases find the socket at /var/run/dstack.sock, newer ones at /var/run/dstack/dstack.sock.
 */
import { request as httpRequest } from "node:http";

import { fatal, messageOf, retryable } from "../errors/index.ts";
import type { AttestationRequest, Enclave, Evidence } from "./enclave.ts";
import { evidenceOf, requestedReportData } from "./quote.ts";

export interface DstackEnclaveOptions {
  readonly socketPath?: string;
  readonly timeoutMs?: number;
}

const DEFAULT_SOCKET = "/var/run/dstack.sock";
const DEFAULT_TIMEOUT_MS = 15_000;
/** The event log comes along, and it is the larger part. */
const MAX_BODY = 4 * 1024 * 1024;

export class DstackEnclave implements Enclave {
  readonly kind = "dstack";
  readonly #socketPath: string;
  readonly #timeoutMs: number;

  constructor({ socketPath = DEFAULT_SOCKET, timeoutMs = DEFAULT_TIMEOUT_MS }: DstackEnclaveOptions = {}) {
    this.#socketPath = socketPath;
    this.#timeoutMs = timeoutMs;
  }

  async attest(request: AttestationRequest): Promise<Evidence> {
    const body = JSON.stringify({ report_data: Buffer.from(requestedReportData(request)).toString("hex") });
    const { status, text } = await this.#post("/GetQuote", body).catch((error: unknown) => {
      const details = { socket: this.#socketPath };
      if (error instanceof TooLong) throw fatal("ENCLAVE_ANSWER_BAD", "The answer is longer than any quote with its log.", details);
      throw retryable("ENCLAVE_UNREACHABLE", `The guest agent does not answer: ${messageOf(error)}.`, details, { cause: error });
    });
    if (status !== 200) {
      const details = { status, body: text.slice(0, 200) };
      const message = `The guest agent answers ${status}.`;
      throw status >= 500 || status === 429 ? retryable("ENCLAVE_BUSY", message, details) : fatal("ENCLAVE_REFUSED", message, details);
    }
    return evidenceOf(quoteIn(text), request);
  }

  #post(path: string, body: string): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
      const options = { socketPath: this.#socketPath, path, method: "POST", headers, signal: AbortSignal.timeout(this.#timeoutMs) };
      const outgoing = httpRequest(options, (incoming) => {
        const chunks: Buffer[] = [];
        let length = 0;
        incoming.on("data", (chunk: Buffer) => {
          length += chunk.length;
          if (length > MAX_BODY) incoming.destroy(new TooLong());
          else chunks.push(chunk);
        });
        incoming.on("error", reject);
        incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }));
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }
}

class TooLong extends Error {}

function quoteIn(text: string): Uint8Array {
  let quote: unknown;
  try {
    quote = (JSON.parse(text) as { quote?: unknown } | null)?.quote;
  } catch (error: unknown) {
    throw fatal("ENCLAVE_ANSWER_BAD", "The guest agent's answer is not JSON.", { start: text.slice(0, 40) }, { cause: error });
  }
  if (typeof quote !== "string" || !/^(0x)?([0-9a-fA-F]{2})+$/.test(quote)) {
    throw fatal("ENCLAVE_ANSWER_BAD", "The guest agent's answer has no quote in hex.", { start: text.slice(0, 40) });
  }
  return new Uint8Array(Buffer.from(quote.replace(/^0x/, ""), "hex"));
}
