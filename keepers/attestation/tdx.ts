/**
 * Quotes from the kernel's configfs-tsm (Linux 6.7 and later): a directory per report, 64 bytes into `inblob`, the quote out
 * of `outblob`. `generation` counts writes: when it moved by more than our own, somebody else wrote in between, and the quote
 * may be theirs.
 */
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { fatal, messageOf, retryable } from "../errors/index.ts";
import type { AttestationRequest, Enclave, Evidence } from "./enclave.ts";
import { evidenceOf, requestedReportData } from "./quote.ts";

export interface TdxEnclaveOptions {
  /** Where configfs-tsm is mounted; for tests. */
  readonly path?: string;
  /** Name of our directory: one process, one name. */
  readonly name?: string;
  /** Writes that other processes may disturb before it is given up. */
  readonly attempts?: number;
  /** Reads `outblob`; for tests. */
  readonly readQuote?: (file: string) => Promise<Uint8Array>;
}

const DEFAULT_PATH = "/sys/kernel/config/tsm/report";
const PROVIDER = "tdx_guest";
/** Errors after which the same call may succeed: the quoting service is busy, or another process wrote in between. */
const BUSY = new Set(["EBUSY", "EWOULDBLOCK", "EAGAIN", "EINTR", "ETIMEDOUT", "EIO"]);

export class TdxEnclave implements Enclave {
  readonly kind = "tdx";
  readonly #directory: string;
  readonly #attempts: number;
  readonly #readQuote: (file: string) => Promise<Uint8Array>;
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ path = DEFAULT_PATH, name = "opengradient", attempts = 5, readQuote = readFile }: TdxEnclaveOptions = {}) {
    this.#directory = join(path, name);
    this.#attempts = attempts;
    this.#readQuote = readQuote;
  }

  /** One at a time: two requests share the directory. */
  attest(request: AttestationRequest): Promise<Evidence> {
    const mine = this.#turn.then(() => this.#attest(request));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #attest(request: AttestationRequest): Promise<Evidence> {
    try {
      await this.#open();
      return evidenceOf(await this.#quote(requestedReportData(request)), request);
    } catch (error: unknown) {
      throw classify(error, this.#directory);
    } finally {
      // configfs removes a report with its attributes; leaving it costs nothing but a directory.
      await rmdir(this.#directory).catch(() => undefined);
    }
  }

  async #open(): Promise<void> {
    await mkdir(this.#directory).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
    const provider = (await this.#read("provider")).toString("utf8").trim();
    if (provider !== PROVIDER) throw fatal("ENCLAVE_ANSWER_BAD", `The kernel's provider is ${provider}, not ${PROVIDER}.`, { provider });
  }

  async #quote(reportData: Uint8Array): Promise<Uint8Array> {
    for (let attempt = 0; attempt < this.#attempts; attempt++) {
      const before = await this.#generation();
      await writeFile(join(this.#directory, "inblob"), reportData);
      const quote = await this.#readQuote(join(this.#directory, "outblob"));
      if ((await this.#generation()) === before + 1n) return new Uint8Array(quote);
    }
    throw retryable("ENCLAVE_BUSY", "Other processes write to the same report.", { directory: this.#directory });
  }

  async #generation(): Promise<bigint> {
    const text = (await this.#read("generation")).toString("utf8").trim();
    if (!/^\d+$/.test(text)) throw fatal("ENCLAVE_ANSWER_BAD", "The kernel's generation is not a number.", { generation: text });
    return BigInt(text);
  }

  #read(name: string): Promise<Buffer> {
    return readFile(join(this.#directory, name));
  }
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;

function classify(error: unknown, directory: string): unknown {
  const code = codeOf(error);
  // Our own errors carry codes, too, but no system error number.
  if (code === undefined || !(error instanceof Error && "errno" in error)) return error;
  const details = { directory, code };
  if (BUSY.has(code)) return retryable("ENCLAVE_BUSY", `The kernel makes no quote now: ${messageOf(error)}.`, details, { cause: error });
  return fatal("ENCLAVE_UNREACHABLE", `There is no configfs-tsm here: ${messageOf(error)}.`, details, { cause: error });
}
