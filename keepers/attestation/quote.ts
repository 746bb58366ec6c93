/** What the drivers for Intel machines share: the report data to ask for, and the proof that the quote carries it. */
import { IntelError, openQuote, reportDataFor, reportDataOf } from "../../sdk/attestation/intel/index.ts";
import type { Claims } from "../../sdk/attestation/intel/index.ts";
import { keccakHex } from "../../sdk/attestation/nitro/index.ts";
import { fatal } from "../errors/index.ts";
import { TeeType } from "./enclave.ts";
import type { AttestationRequest, Evidence } from "./enclave.ts";

/** What the registry's three hashes are for this request; `openQuote(quote, claims)` makes the evidence of them. */
export const claimsOf = (request: AttestationRequest): Claims => ({
  publicKeyHash: keccakHex(request.publicKey),
  userDataHash: keccakHex(request.userData),
  nonceHash: keccakHex(request.nonce),
});

export const requestedReportData = (request: AttestationRequest): Uint8Array => reportDataFor(claimsOf(request));

/** The evidence that ITdxVerifier takes: parts of the quote, and the claims behind them. */
export function evidenceOf(quote: Uint8Array, request: AttestationRequest): Evidence {
  try {
    const { evidence, parts } = openQuote(quote, claimsOf(request));
    const [found, asked] = [reportDataOf(parts), requestedReportData(request)].map((bytes) => Buffer.from(bytes).toString("hex"));
    const text = "The quote does not carry the report data that was asked for.";
    if (found !== asked) throw fatal("ENCLAVE_BINDING", text, { attested: found, asked });
    return { document: evidence, teeType: parts.tdx ? TeeType.Tdx : TeeType.Sgx };
  } catch (error: unknown) {
    if (error instanceof IntelError || (error instanceof Error && error.name === "NitroError")) {
      throw fatal("ENCLAVE_ANSWER_BAD", `The answer is not a quote: ${error.message}.`, {}, { cause: error });
    }
    throw error;
  }
}
