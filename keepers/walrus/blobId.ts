/** A Walrus blob id is 32 bytes: hex (`bytes32`) on chain, base64url without padding on the wire. Runs in browsers too. */
import { type Hex, bytesToHex, hexToBytes } from "viem";

import { fatal } from "../errors/index.ts";

const WIRE = /^[A-Za-z0-9_-]{43}$/;
const CHAIN = /^0x[0-9a-fA-F]{64}$/;

export function toWire(blobId: Hex): string {
  if (!CHAIN.test(blobId)) throw fatal("walrus.bad_blob_id", "A blob id in hex is 0x and 64 digits.", { blobId: blobId.slice(0, 80) });
  return btoa(String.fromCharCode(...hexToBytes(blobId))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export function fromWire(text: string): Hex {
  const hex = WIRE.test(text) ? bytesToHex(Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (digit) => digit.charCodeAt(0))) : null;
  // 43 digits hold 258 bits: two spellings of one id would break caches and comparisons, so the spare bits must be zero.
  if (hex?.length !== 66 || toWire(hex) !== text) {
    throw fatal("walrus.bad_blob_id", "A blob id on the wire is 43 digits of base64url without padding.", { blobId: text.slice(0, 80) });
  }
  return hex;
}
