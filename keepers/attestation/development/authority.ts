/**
 * A certificate authority for development, shaped like the one AWS runs: root, region, zone, instance, and a leaf for
 * every enclave, with the same life spans and path lengths. Its root is pinned only where the chain is a devnet.
 */
import { randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

import { fatal, messageOf } from "../../errors/index.ts";
import { exportKey, generateKey, importKey, issue, name, publicKeyOf } from "./certificate.ts";

const HOUR = 3600;
const DAY = 24 * HOUR;
/** Certificates start a little early: clocks differ, and a chain's next block may be stamped late. */
const MARGIN = 300;

export interface RootAuthority {
  readonly certificate: Uint8Array;
  readonly key: KeyObject;
}

export interface Issued {
  readonly certificate: Uint8Array;
  readonly key: KeyObject;
  readonly notAfter: number;
}

/** Authorities from the root down, and the leaf with its key. */
export interface Chain {
  readonly authorities: readonly Uint8Array[];
  readonly leaf: Issued;
}

const ROOT_NAME = name("development.nitro-enclaves");

export function createRoot(now: number): RootAuthority {
  const key = generateKey();
  const certificate = issue(
    {
      subject: ROOT_NAME,
      issuer: ROOT_NAME,
      serial: randomBytes(16),
      notBefore: now - DAY,
      notAfter: now + 20 * 365 * DAY,
      publicKey: publicKeyOf(key),
      authority: {},
    },
    key,
  );
  return { certificate, key };
}

/** Reads the root from a file or, the first time, makes it there: one root for all nodes of a devnet. */
export function loadRoot(path: string, now: number): RootAuthority {
  if (!existsSync(path)) {
    const root = createRoot(now);
    mkdirSync(dirname(path), { recursive: true });
    const stored = { certificate: Buffer.from(root.certificate).toString("base64"), key: exportKey(root.key) };
    writeFileSync(path, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    return root;
  }
  try {
    const stored = JSON.parse(readFileSync(path, "utf8")) as { certificate: string; key: string };
    return { certificate: new Uint8Array(Buffer.from(stored.certificate, "base64")), key: importKey(stored.key) };
  } catch (error: unknown) {
    throw fatal("DEVELOPMENT_ROOT_BAD", `The development root cannot be read: ${messageOf(error)}.`, { path }, { cause: error });
  }
}

/** Issues and remembers a certificate for every name; what has ended, or whose issuer was issued again, is issued again. */
export class DevelopmentAuthority {
  readonly root: RootAuthority;
  readonly #region: string;
  readonly #issued = new Map<string, Issued & { issuer: Issued | RootAuthority }>();

  constructor(root: RootAuthority, region = "local-1") {
    this.root = root;
    this.#region = region;
  }

  /** @param moduleId i-<instance>-enc<enclave>: enclaves of one instance share its certificate. */
  chainFor(moduleId: string, now: number): Chain {
    const domain = `${this.#region}.development.nitro-enclaves`;
    const zone = `zonal.${domain}`;
    const instance = `${moduleId.split("-enc")[0]}.${domain}`;
    const regional = this.#issue(domain, this.root, ROOT_NAME, now, 20 * DAY, 2);
    const zonal = this.#issue(zone, regional, name(domain), now, 6 * DAY, 1);
    const host = this.#issue(instance, zonal, name(zone), now, DAY, 0);
    const leaf = this.#issue(`${moduleId}.${this.#region}.development`, host, name(instance), now, 3 * HOUR);
    return { authorities: [this.root, regional, zonal, host].map((authority) => authority.certificate), leaf };
  }

  #issue(subject: string, issuer: Issued | RootAuthority, issuerName: Uint8Array, now: number, life: number, pathLength?: number): Issued {
    const known = this.#issued.get(subject);
    if (known !== undefined && known.issuer === issuer && now < known.notAfter) return known;
    const key = generateKey();
    const notAfter = now + life;
    const certificate = issue(
      {
        subject: name(subject),
        issuer: issuerName,
        serial: randomBytes(16),
        notBefore: now - MARGIN,
        notAfter,
        publicKey: publicKeyOf(key),
        ...(pathLength === undefined ? {} : { authority: { pathLength } }),
      },
      issuer.key,
    );
    const issued = { certificate, key, notAfter, issuer };
    this.#issued.set(subject, issued);
    return issued;
  }
}
