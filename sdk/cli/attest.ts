/** `og attest`: what evidence says, whether it is good, and how it gets on chain. */
import { Command } from "commander";

import { explainIntel, intelReason } from "../attestation/intel/index.ts";
import { NitroError, explainNitro, keccakHex, nitroReason, parseCoseSign1, parseNitroDocument } from "../attestation/nitro/index.ts";
import type { Check } from "../attestation/nitro/index.ts";
import { UsageError, readBundle, readCollateral, readEvidence, readRevoked, readRoot, readTime } from "./attest/read.ts";
import type { EvidenceFile } from "./attest/read.ts";
import { registryReason } from "./attest/reasons.ts";
import { recordCollateral, register } from "./attest/register.ts";
import type { RegisterOptions } from "./attest/register.ts";

export interface AttestIo {
  print: (line: string) => void;
  fail: (line: string) => void;
  setExitCode: (code: number) => void;
  env: NodeJS.ProcessEnv;
}

interface Options {
  at?: string;
  root?: string;
  collateral?: string;
  revoked?: string;
  allowDebug?: boolean;
}

/** 0 good, 1 refused with a reason, 2 not understood. */
const REFUSED = 1;
const MISUSED = 2;

const processIo: AttestIo = {
  print: (line) => void process.stdout.write(`${line}\n`),
  fail: (line) => void process.stderr.write(`${line}\n`),
  setExitCode: (code) => void (process.exitCode = code),
  env: process.env,
};

export function attestCommand(io: AttestIo = processIo): Command {
  const attest = new Command("attest").description("Attestations of enclaves: Nitro documents, Intel TDX and SGX quotes");
  const time = "seconds since 1970 or a date; now by default";
  const roots = "aws, intel, a certificate in a file, or its keccak256; by default the vendor's own";

  attest
    .command("inspect <file>")
    .description("shows what a document or quote says; judges nothing but its form and its own signatures")
    .action((path: string) => guarded(io, () => inspect(io, readEvidence(path))));

  attest
    .command("verify <file>")
    .description("checks everything that the contracts check, and says each check in words")
    .option("--at <time>", time)
    .option("--root <root>", roots)
    .option("--allow-debug", "does not refuse an enclave in debug mode, whose memory the host can read")
    .option("--revoked <ids>", "for documents: ids of revoked certificates, in a file or with commas between them")
    .option("--collateral <file>", "for quotes: TCB information, QE identity and revocation lists, as JSON")
    .action((path: string, options: Options) => guarded(io, () => verify(io, readEvidence(path), options)));

  attest
    .command("register <file>")
    .description("opens a node's key epoch with this evidence; key in OG_KEYSTORE and OG_KEYSTORE_PASSWORD_FILE")
    .requiredOption("--rpc <url>", "of the settlement chain")
    .requiredOption("--registry <address>", "the NodeRegistry")
    .requiredOption("--node <id>", "the node's id")
    .requiredOption("--public-key <hex>", "the key that the evidence binds")
    .option("--key-type <n>", "KeyType of the registry: 1 secp256k1, 2 P-256, 3 RSA-PSS-2048", "1")
    .requiredOption("--nonce-block <n>", "block whose hash is in the nonce")
    .option("--operator <address>", "whom the nonce was made for; by default who sends")
    .option("--verifier <address>", "NitroVerifier: leaves out the certificates that it remembers")
    .option("--root <root>", roots)
    .option("--dry-run", "asks the registry without sending")
    .action((path: string, options: RegisterOptions & Options) =>
      guarded(io, async () => {
        const file = readEvidence(path);
        await register(file, readRoot(options.root, file.kind), options, io.env, io.print);
        return true;
      }),
    );

  attest
    .command("collateral <file>")
    .description("puts Intel's collateral on record; what is there already is left out")
    .requiredOption("--rpc <url>", "of the settlement chain")
    .requiredOption("--contract <address>", "IntelCollateral")
    .option("--root <root>", roots)
    .action((path: string, options: Options & { rpc: string; contract: string }) =>
      guarded(io, async () => {
        await recordCollateral(readBundle(path, readRoot(options.root, "intel")), options.contract, options.rpc, io.env, io.print);
        return true;
      }),
    );
  return attest;
}

/** Turns a refusal into words and an exit code. */
async function guarded(io: AttestIo, work: () => boolean | Promise<boolean>): Promise<void> {
  try {
    if (!(await work())) io.setExitCode(REFUSED);
  } catch (error: unknown) {
    const known = error instanceof UsageError;
    io.fail(reasonOf(error));
    io.setExitCode(known ? MISUSED : REFUSED);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof NitroError) return `refused: ${/^(Cbor|Cose|Nitro)/.test(error.code) ? nitroReason(error) : intelReason(error)}`;
  const registry = registryReason(error);
  return registry === undefined ? shortest(error) : `refused by the registry: ${registry}`;
}

/** viem puts the essence into `shortMessage` and pages of request data behind it. */
function shortest(error: unknown): string {
  if (error instanceof Error && "shortMessage" in error) return String(error.shortMessage);
  return error instanceof Error ? error.message : String(error);
}

function inspect(io: AttestIo, { kind, bytes }: EvidenceFile): boolean {
  if (kind === "nitro") {
    // At the document's own time and under the root that it brings: the signatures speak, the trust does not.
    const document = parseNitroDocument(parseCoseSign1(bytes).payload);
    const { checks } = explainNitro(bytes, { root: keccakHex(document.chain[0] as Uint8Array), now: Number(document.timestamp / 1000n) });
    show(
      io,
      checks.filter(({ id }) => id !== "root"),
    );
    io.print("not judged: root, time, revocation. See `og attest verify`.");
    return checks.every(({ ok }) => ok);
  }
  const { checks } = explainIntel(bytes, { now: "its own" });
  show(
    io,
    checks.filter(({ id }) => id !== "collateral"),
  );
  io.print("not judged: the platform's authority and state. See `og attest verify --collateral FILE`.");
  return checks.every(({ id, ok }) => ok || id === "collateral");
}

function verify(io: AttestIo, { kind, bytes }: EvidenceFile, options: Options): boolean {
  const now = readTime(options.at);
  const root = readRoot(options.root, kind);
  if (kind === "nitro" && options.collateral !== undefined) throw new UsageError("Nitro documents have no collateral.");
  const collateral = options.collateral === undefined ? undefined : readCollateral(options.collateral, root, now);
  if (kind === "intel" && options.revoked !== undefined) throw new UsageError("Quotes are revoked by the lists of their collateral.");
  const revoked = readRevoked(options.revoked);
  const { checks, attestation } = kind === "nitro" ? explainNitro(bytes, { root, now, revoked }) : explainIntel(bytes, { now, collateral });
  // The verifiers report it as a fact; no registry takes it.
  if (attestation?.debug && !options.allowDebug) {
    checks.push({ id: "production", ok: false, text: "an enclave in debug mode proves nothing: the host can read its memory" });
  }
  show(io, checks);
  const reason = checks.find((check) => !check.ok);
  if (reason === undefined) io.print("verified");
  else io.fail(`refused: ${reason.text}`);
  return reason === undefined;
}

function show(io: AttestIo, checks: readonly Check[]): void {
  for (const { id, ok, text } of checks) io.print(`${ok ? "ok " : "NO "} ${id.padEnd(14)} ${text}`);
}
