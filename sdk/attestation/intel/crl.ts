/** Certificate revocation lists, counterpart of contracts/attestation/intel/Crl.sol. */
import { DerReader, SEQUENCE } from "../nitro/der.ts";
import type { Hex } from "./bytes.ts";
import { demand } from "./errors.ts";
import { authorityKeyOf, readAlgorithm, readExtension, readNumber, readSerial } from "./x509.ts";

const AUTHORITY_KEY_ID = 35;
const DELTA = 27;
const DISTRIBUTION_POINT = 28;

export interface RevocationList {
  /** keccak256(issuer's name | authority key id). */
  authority: Hex;
  issued: number;
  until: number;
  serials: readonly bigint[];
}

export function parseCrl(tbs: Uint8Array): RevocationList {
  const reader = new DerReader(tbs).only(SEQUENCE);
  const version = readNumber(reader);
  demand(version === 1n, "IntelCrlForm", { version });
  readAlgorithm(reader);
  const issuer = reader.open(SEQUENCE).whole;
  const [issued, until] = [reader.time(), reader.time()];
  const serials: bigint[] = [];
  if (reader.peek() === SEQUENCE) {
    const entries = reader.children(SEQUENCE);
    demand(!entries.done, "IntelCrlForm", { entries: 0 });
    while (!entries.done) serials.push(readEntry(entries.children(SEQUENCE)));
  }
  const list = reader.only(0xa0).only(SEQUENCE);
  let authority: Hex | undefined;
  while (!list.done) {
    const { id, oid, critical, value } = readExtension(list);
    demand(!critical, "X509CriticalExtension", { oid });
    demand(id !== DELTA && id !== DISTRIBUTION_POINT, "IntelCrlForm", { oid });
    if (id !== AUTHORITY_KEY_ID) continue;
    demand(authority === undefined, "IntelCrlForm", { oid });
    authority = authorityKeyOf(issuer, value);
  }
  demand(authority !== undefined, "IntelCrlForm", { authority: "absent" });
  return { authority, issued, until, serials };
}

function readEntry(entry: DerReader): bigint {
  const serial = readSerial(entry);
  entry.time();
  if (entry.done) return serial;
  const list = entry.only(SEQUENCE);
  while (!list.done) {
    const { critical, oid } = readExtension(list);
    demand(!critical, "X509CriticalExtension", { oid });
  }
  return serial;
}
