/** A TLS identity made inside of the process: its public key is bound by the attestation and pinned by clients. */
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { createHash, webcrypto } from "node:crypto";
import type { Hex } from "viem";

export interface TlsIdentity {
  /** PEM. */
  key: string;
  cert: string;
  /** SHA-256 of the DER SubjectPublicKeyInfo. */
  spkiHash: Hex;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/**
 * A fresh P-256 key with a self-signed certificate: trust comes from the pin, not from a name.
 * @param host Goes into the certificate, for clients that look.
 */
export async function createTlsIdentity(host: string, nowMs: number): Promise<TlsIdentity> {
  const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
  const isIp = /^[\d.]+$|:/.test(host);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: "01",
      name: "CN=opengradient node",
      notBefore: new Date(nowMs - 86_400_000),
      notAfter: new Date(nowMs + 3650 * 86_400_000),
      signingAlgorithm: ALGORITHM,
      keys: keys as never,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: isIp ? "ip" : "dns", value: host }])],
    },
    webcrypto as never,
  );
  const spki = Buffer.from(await webcrypto.subtle.exportKey("spki", keys.publicKey));
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    key: pem("PRIVATE KEY", pkcs8),
    cert: certificate.toString("pem"),
    spkiHash: `0x${createHash("sha256").update(spki).digest("hex")}`,
  };
}

function pem(label: string, der: Buffer): string {
  return `-----BEGIN ${label}-----\n${der.toString("base64").replace(/(.{64})/g, "$1\n").trimEnd()}\n-----END ${label}-----\n`;
}
