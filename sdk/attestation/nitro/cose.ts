/** COSE_Sign1 (RFC 9052) with ES384, counterpart of contracts/attestation/cbor/CoseSign1.sol. */
import { bytesToHex, concatBytes } from "@noble/hashes/utils.js";

import { ARRAY, BYTES, CborReader, INDEFINITE, MAP, TAG } from "./cbor.ts";
import { demand } from "./errors.ts";

export interface CoseSign1 {
  payload: Uint8Array;
  /** r | s, 48 bytes each. */
  signature: Uint8Array;
  /** The Sig_structure in its canonical form, whatever the envelope looked like. */
  signedBytes: Uint8Array;
}

/** {1: -35} */
const ES384 = "a1013822";
/** array(4), "Signature1", the protected header, no external data. */
const CONTEXT = Uint8Array.of(0x84, 0x6a, ...new TextEncoder().encode("Signature1"), 0x44, 0xa1, 0x01, 0x38, 0x22, 0x40);

export function parseCoseSign1(document: Uint8Array): CoseSign1 {
  const reader = new CborReader(document, false);
  const first = reader.head();
  if (first.major === TAG) demand(first.value === 18n, "CoseTag", { tag: first.value });
  else reader.position = 0;
  const count = reader.expect(ARRAY);
  demand(count === 4n || count === INDEFINITE, "CoseShape", { count });

  const header = reader.string(BYTES);
  demand(bytesToHex(header) === ES384, "CoseAlgorithm", { header: bytesToHex(header) });

  const unprotected = reader.position;
  reader.expect(MAP);
  reader.position = unprotected;
  reader.skip();

  const payload = reader.string(BYTES);
  demand(payload.length > 0xff && payload.length < 0x10000, "CosePayloadLength", { length: payload.length });
  const signature = reader.string(BYTES);
  demand(signature.length === 96, "CoseSignatureLength", { length: signature.length });
  if (count === INDEFINITE) {
    let extra = 0;
    reader.entries(INDEFINITE, 1, () => demand(extra++ === 1, "CoseShape", { count: 5 }));
  }
  reader.close();

  const length = Uint8Array.of(0x59, payload.length >> 8, payload.length & 0xff);
  return { payload, signature, signedBytes: concatBytes(CONTEXT, length, payload) };
}
