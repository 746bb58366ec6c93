import { IntelError } from "./errors.ts";

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/** Certificates of a PEM chain, in their order. What stands around them (Intel ends some chains with a zero byte) is carriage. */
export function pemCertificates(text: string): Uint8Array[] {
  const blocks = [...text.matchAll(BLOCK)].filter(([, label]) => label === "CERTIFICATE");
  const found = blocks.map(([, , body = ""]) => new Uint8Array(Buffer.from(body, "base64")));
  if (found.length === 0) throw new IntelError("IntelPem", { start: text.slice(0, 40) });
  return found;
}
