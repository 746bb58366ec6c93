import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createTlsIdentity, type TlsIdentity } from "./tls.ts";

/**
 * A TLS identity that outlives a restart, for simulated enclaves: a real one has no disk that its host cannot read, and
 * makes a new key each time.
 */
export async function tlsIdentityInFile(path: string, host: string, nowMs: number): Promise<TlsIdentity> {
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as TlsIdentity;
  const identity = await createTlsIdentity(host, nowMs);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(identity), { mode: 0o600 });
  return identity;
}
