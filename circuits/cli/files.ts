/** What the commands do with folders: say early that one cannot be written, and leave nothing behind in a temporary one. */
import { access, constants, mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

import { readVerifyingKey } from "../setup/zkey.ts";
import type { VerifyingKey } from "../setup/zkey.ts";
import { UsageError } from "./options.ts";

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EEXIST: "there is a file of that name",
  EISDIR: "it is a folder",
  ENOENT: "there is no such file",
  ENOSPC: "no space left on the device",
  ENOTDIR: "there is a file of that name",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
};

/** What a person should read of an error of the file system; undefined for any other. */
export function fileRefusal(error: unknown): string | undefined {
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || typeof code !== "string" || typeof syscall !== "string" || !(code in REASONS)) return undefined;
  // "open" does not tell for what.
  const verb = syscall === "open" ? "opened" : syscall === "copyfile" ? "copied" : /write|mkdir|unlink|rename/.test(syscall) ? "written" : "read";
  return `${path ?? "a file"} cannot be ${verb}: ${REASONS[code]} (${code})`;
}

/** Before minutes of work: makes the folder and sees that it can be written. */
export async function writable(directory: string): Promise<void> {
  try {
    await makeFolder(resolve(directory));
    await access(directory, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${directory} cannot be written: ${REASONS[code ?? ""] ?? String(error)} (${code})`);
  }
}

/** Folder by folder: on a file system that makes none, such as /proc, Node's recursive mkdir does not end. */
async function makeFolder(path: string): Promise<void> {
  if ((await stat(path).catch(() => undefined))?.isDirectory()) return;
  if (dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path);
}

/** A folder for what must not stay, such as witnesses, which hold inputs: gone at the end, also of an interrupted command. */
export async function withTemporary<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "og-zk-"));
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const interrupted = (signal: NodeJS.Signals) => {
    rmSync(folder, { recursive: true, force: true });
    for (const name of signals) process.off(name, interrupted);
    process.kill(process.pid, signal);
  };
  for (const name of signals) process.on(name, interrupted);
  try {
    return await work(folder);
  } finally {
    for (const name of signals) process.off(name, interrupted);
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws UsageError for a circuit that has none yet, or for no circuit. */
export function hasKeys(directory: string): void {
  if (!existsSync(join(directory, "model.circom"))) throw new UsageError(`${directory} holds no model's circuit: "og zk compile" makes one`);
  // The manifest is written last: a key without one was interrupted.
  const there = ["proving.zkey", "setup.json"].every((file) => existsSync(join(directory, file)));
  if (!there) throw new UsageError(`${directory} has no keys yet: compile it without --no-keys for a development key, or hold a ceremony (docs/ceremony.md)`);
}

/** @throws UsageError as hasKeys */
export function keyOf(directory: string): VerifyingKey {
  hasKeys(directory);
  return readVerifyingKey(join(directory, "proving.zkey"));
}
