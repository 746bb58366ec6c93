/** The signed payload of a Nitro attestation document, counterpart of contracts/attestation/NitroDocument.sol. */
import { bytesToHex } from "@noble/hashes/utils.js";

import { ARRAY, BYTES, CborReader, MAP, TEXT, UINT } from "./cbor.ts";
import { NitroError, demand } from "./errors.ts";

export interface NitroDocument {
  moduleId: string;
  /** Milliseconds since 1970. */
  timestamp: bigint;
  pcrs: ReadonlyMap<number, Uint8Array>;
  /** Authorities from the root down, then the document's own certificate. DER. */
  chain: readonly Uint8Array[];
  /** Undefined: absent or null. Empty is something else. */
  publicKey: Uint8Array | undefined;
  userData: Uint8Array | undefined;
  nonce: Uint8Array | undefined;
  /** Names of fields that this version does not know. */
  unknown: readonly string[];
}

export const MAX_AUTHORITIES = 7;
const MAX_FIELDS = 32;
const MAX_PCRS = 32;
const MAX_LENGTH = 1024;
export const PCR_LENGTH = 48;

export function parseNitroDocument(payload: Uint8Array): NitroDocument {
  const reader = new CborReader(payload, true);
  const seen = new Set<string>();
  const unknown: string[] = [];
  const strings = new Map<string, Uint8Array | undefined>();
  const pcrs = new Map<number, Uint8Array>();
  const authorities: Uint8Array[] = [];
  let timestamp = 0n;

  reader.each(MAP, MAX_FIELDS, () => {
    // Keys are told apart as bytes: whether they are well-formed UTF-8 is nobody's business here.
    const key = latin1(reader.string(TEXT));
    demand(!seen.has(key), "NitroDuplicateField", { key });
    seen.add(key);
    switch (key) {
      case "module_id":
        strings.set(key, bounded(key, reader.string(TEXT), 1));
        return;
      case "digest": {
        const digest = latin1(reader.string(TEXT));
        demand(digest === "SHA384", "NitroDigest", { digest });
        return;
      }
      case "timestamp":
        timestamp = reader.expect(UINT);
        demand(timestamp !== 0n, "NitroTimestamp", { timestamp });
        return;
      case "pcrs":
        readPcrs(reader, pcrs);
        return;
      case "certificate":
        strings.set(key, bounded(key, reader.string(BYTES), 1));
        return;
      case "cabundle":
        reader.each(ARRAY, MAX_AUTHORITIES, () => authorities.push(bounded(key, reader.string(BYTES), 1)));
        demand(authorities.length > 0, "NitroFieldLength", { key, length: 0 });
        return;
      case "public_key":
      case "user_data":
      case "nonce": {
        const value = reader.nullable(BYTES);
        strings.set(key, value === undefined ? undefined : bounded(key, value, 0));
        return;
      }
      default:
        unknown.push(key);
        reader.skip();
    }
  });
  reader.close();

  for (const key of ["digest", "module_id", "timestamp", "certificate", "cabundle", "pcrs"]) {
    demand(seen.has(key), "NitroMissingField", { key });
  }
  for (const index of [0, 1, 2]) demand(pcrs.has(index), "NitroMissingPcr", { index });
  const required = (key: string): Uint8Array => {
    const value = strings.get(key);
    if (value === undefined) throw new NitroError("NitroMissingField", { key });
    return value;
  };
  return {
    moduleId: latin1(required("module_id")),
    timestamp,
    pcrs,
    chain: [...authorities, required("certificate")],
    publicKey: strings.get("public_key"),
    userData: strings.get("user_data"),
    nonce: strings.get("nonce"),
    unknown,
  };
}

function readPcrs(reader: CborReader, pcrs: Map<number, Uint8Array>): void {
  reader.each(MAP, MAX_PCRS, () => {
    const index = Number(reader.expect(UINT));
    demand(index < 32, "NitroPcrIndex", { index });
    demand(!pcrs.has(index), "NitroDuplicatePcr", { index });
    const value = reader.string(BYTES);
    demand(value.length === PCR_LENGTH, "NitroPcrLength", { index, value: bytesToHex(value) });
    pcrs.set(index, value);
  });
}

function bounded(key: string, value: Uint8Array, least: number): Uint8Array {
  demand(value.length >= least && value.length <= MAX_LENGTH, "NitroFieldLength", { key, length: value.length });
  return value;
}

const latin1 = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
