/**
 * The attestation endpoint that nitriding made common: GET /enclave/attestation?nonce=<hex> answers a document in base64.
 * Servers that let the caller choose take `public_key` and `user_data` as well, in hex. Whatever the server does with them:
 * the document must carry what was asked for, or it is useless to the registry and refused here.
 */
import { NitroError, parseCoseSign1, parseNitroDocument } from "../../sdk/attestation/nitro/index.ts";
import { fatal, messageOf, retryable } from "../errors/index.ts";
import { TeeType } from "./enclave.ts";
import type { AttestationRequest, Enclave, Evidence } from "./enclave.ts";

export interface NitroEnclaveOptions {
  /** Of the enclave's server, without a path. */
  readonly url: string;
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** The device's own limit is 16 KiB; base64 adds a third. */
const MAX_BODY = 32_768;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export class NitroEnclave implements Enclave {
  readonly kind = "nitro";
  readonly #options: NitroEnclaveOptions;

  constructor(options: NitroEnclaveOptions) {
    this.#options = options;
  }

  async attest(request: AttestationRequest): Promise<Evidence> {
    const url = new URL("/enclave/attestation", this.#options.url);
    url.searchParams.set("nonce", hex(request.nonce));
    url.searchParams.set("public_key", hex(request.publicKey));
    url.searchParams.set("user_data", hex(request.userData));
    const document = decode(await this.#get(url));
    requireBound(document, request);
    return { document, teeType: TeeType.Nitro };
  }

  async #get(url: URL): Promise<string> {
    const { fetch: get = fetch, timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
    let response: Response;
    let body: string;
    try {
      response = await get(url, { signal: AbortSignal.timeout(timeoutMs), redirect: "error" });
      body = await response.text();
    } catch (error: unknown) {
      const text = `The enclave's server does not answer: ${messageOf(error)}.`;
      throw retryable("ENCLAVE_UNREACHABLE", text, { url: url.origin }, { cause: error });
    }
    if (!response.ok) {
      const text = `The enclave's server answers ${response.status}.`;
      const details = { status: response.status, body: body.slice(0, 200) };
      if (response.status >= 500 || response.status === 429) throw retryable("ENCLAVE_BUSY", text, details);
      throw fatal("ENCLAVE_REFUSED", text, details);
    }
    if (body.length > MAX_BODY) throw fatal("ENCLAVE_ANSWER_BAD", "The answer is longer than any document.", { length: body.length });
    return body;
  }
}

/** Base64, with or without JSON quotes around it. */
function decode(body: string): Uint8Array {
  const text = body.trim().replace(/^"(.*)"$/, "$1");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw fatal("ENCLAVE_ANSWER_BAD", "The answer is not base64.", { start: body.slice(0, 40) });
  return new Uint8Array(Buffer.from(text, "base64"));
}

function requireBound(document: Uint8Array, request: AttestationRequest): void {
  try {
    const found = parseNitroDocument(parseCoseSign1(document).payload);
    for (const field of ["nonce", "publicKey", "userData"] as const) {
      const value = found[field];
      if (value !== undefined && hex(value) === hex(request[field])) continue;
      const details = { field, attested: value === undefined ? "absent" : hex(value), asked: hex(request[field]) };
      throw fatal("ENCLAVE_BINDING", `The document does not carry the ${field} that was asked for.`, details);
    }
  } catch (error: unknown) {
    if (!(error instanceof NitroError)) throw error;
    throw fatal("ENCLAVE_ANSWER_BAD", `The answer is not a Nitro document: ${error.message}.`, { code: error.code }, { cause: error });
  }
}
