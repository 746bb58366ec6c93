/**
 * An enclave that is none: it writes Nitro documents under a development authority. Everything behind it (parser, chain,
 * signatures, cache, policy) is the real thing; only the root that must be pinned is another.
 */
import type { Chain } from "./development/authority.ts";
import { encodePayload, signPayload } from "./development/document.ts";
import { TeeType } from "./enclave.ts";
import type { AttestationRequest, Enclave, Evidence } from "./enclave.ts";

export interface SimulatedOptions {
  readonly authority: { chainFor(moduleId: string, now: number): Chain };
  /** As AWS writes them: i-<instance>-enc<enclave>. */
  readonly moduleId: string;
  /** 48 bytes each; those of 0 to 15 that are not given are zero. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** Milliseconds since 1970, of the clock that the chain goes by. */
  readonly now: () => number | Promise<number>;
}

const PCR_COUNT = 16;

export class SimulatedEnclave implements Enclave {
  readonly kind = "simulated";
  readonly #options: SimulatedOptions;

  constructor(options: SimulatedOptions) {
    this.#options = options;
  }

  async attest(request: AttestationRequest): Promise<Evidence> {
    const { authority, moduleId, pcrs } = this.#options;
    const timestamp = Math.floor(await this.#options.now());
    const { authorities, leaf } = authority.chainFor(moduleId, Math.floor(timestamp / 1000));
    const all = new Map<number, Uint8Array>(Array.from({ length: PCR_COUNT }, (_, index) => [index, new Uint8Array(48)]));
    for (const [index, value] of pcrs) all.set(index, value);
    const payload = encodePayload({ moduleId, timestamp, pcrs: all, certificate: leaf.certificate, cabundle: authorities, ...request });
    return { document: signPayload(payload, leaf.key), teeType: TeeType.Nitro };
  }
}
