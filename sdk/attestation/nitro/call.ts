/** Builds what `NitroVerifier.verify` takes: the document as evidence, and hints for the signatures that nobody verified yet. */
import { bytesToHex, concatBytes, hexToBytes } from "@noble/hashes/utils.js";

import { InvalidSignature, MAX_BATCH, proveBatch } from "../p384/index.ts";
import { NitroError, demand } from "./errors.ts";
import { openNitro, walkChain } from "./verify.ts";
import type { Hex, OpenedNitro, SignatureStatement } from "./verify.ts";

/** The part of INitroVerifier's CertificateRecord that decides where a proof may start. */
export interface KnownCertificate {
  role: number;
}

export interface NitroCallOptions {
  root: Hex;
  /** Reads `records` of the verifier; without it every certificate is proved anew. */
  readRecords?: (chainKeys: readonly Hex[]) => Promise<readonly KnownCertificate[]>;
  /** Remember the leaf as well: worth its slot only if the same enclave attests again within its three hours. */
  rememberLeaf?: boolean;
  /** Makes the curve kernel's hints; throws when a signature is not valid. `proveStatements` where nothing is given. */
  prove?: (statements: readonly SignatureStatement[]) => Uint8Array | Promise<Uint8Array>;
}

export interface NitroCall {
  evidence: Hex;
  hints: Hex;
  /** Index of the first certificate that the call proves; the number of certificates when all of them are known. */
  first: number;
  statements: readonly SignatureStatement[];
}

export type RememberCall = Pick<NitroCall, "evidence" | "hints">;

const AUTHORITY = 1;
const LEAF = 2;
export const REMEMBER_LEAF = 1;

export async function buildNitroCall(document: Uint8Array, options: NitroCallOptions): Promise<NitroCall> {
  const opened = openNitro(document, options.root);
  const first = options.readRecords ? firstUnknown(opened, await options.readRecords(opened.keys)) : 1;
  return { ...(await proveFrom(opened, first, options)), evidence: toHex(document) };
}

/**
 * Calls of `remember` that have to come first when more certificates are unknown than the kernel takes at once: none for
 * any chain that AWS has issued so far, where four certificates and the document are five signatures.
 */
export async function buildRememberCalls(document: Uint8Array, options: NitroCallOptions): Promise<RememberCall[]> {
  const opened = openNitro(document, options.root);
  const { statements } = walkChain(opened);
  const prove = options.prove ?? proveStatements;
  const calls: RememberCall[] = [];
  let first = options.readRecords ? firstUnknown(opened, await options.readRecords(opened.keys)) : 1;
  while (opened.keys.length - first + 1 > MAX_BATCH) {
    const end = Math.min(first + MAX_BATCH, opened.keys.length);
    const hints = await prove(statements.slice(first - 1, end - 1));
    calls.push({ evidence: toHex(document), hints: toHex(concatBytes(Uint8Array.of(first, end), hints)) });
    first = end;
  }
  return calls;
}

/** The hints for a proof that starts at a given certificate. */
export async function proveFrom(
  opened: OpenedNitro,
  first: number,
  options: Pick<NitroCallOptions, "prove" | "rememberLeaf">,
): Promise<Omit<NitroCall, "evidence">> {
  const all = walkChain(opened).statements;
  demand(first >= 1 && first <= opened.keys.length, "NitroHints", { first });
  const statements = all.slice(first - 1);
  const header = Uint8Array.of(first, options.rememberLeaf ? REMEMBER_LEAF : 0);
  const prove = options.prove ?? proveStatements;
  return { hints: toHex(concatBytes(header, await prove(statements))), first, statements };
}

/** Hints for the kernel behind IP384. About 0.1 s a signature; a server that proves often does it in a worker. */
export function proveStatements(statements: readonly SignatureStatement[]): Uint8Array {
  const integer = (bytes: Uint8Array): bigint => BigInt(`0x${bytesToHex(bytes)}`);
  const signatures = statements.map(({ publicKey, digest, signature }) => ({
    x: integer(publicKey.subarray(0, 48)),
    y: integer(publicKey.subarray(48)),
    e: integer(digest),
    r: integer(signature.subarray(0, 48)),
    s: integer(signature.subarray(48)),
  }));
  try {
    return hexToBytes(proveBatch(signatures).slice(2));
  } catch (error: unknown) {
    if (error instanceof InvalidSignature) throw new NitroError("NitroSignature", { index: error.index });
    throw error;
  }
}

/** The certificate below the deepest one on record. A record of the wrong role vouches for nothing. */
function firstUnknown(opened: OpenedNitro, records: readonly KnownCertificate[]): number {
  const last = opened.keys.length - 1;
  for (let index = last; index > 0; index--) {
    if (records[index]?.role === (index === last ? LEAF : AUTHORITY)) return index + 1;
  }
  return 1;
}

/** Statements as the kernel reads them: Qx | Qy | e | r | s, 240 bytes each. */
export const encodeStatements = (statements: readonly SignatureStatement[]): Uint8Array =>
  concatBytes(...statements.flatMap(({ publicKey, digest, signature }) => [publicKey, digest, signature]));

export const toHex = (bytes: Uint8Array): Hex => `0x${bytesToHex(bytes)}`;
