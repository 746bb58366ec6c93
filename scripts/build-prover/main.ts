/**
 * Builds the native prover: several times faster than the others, optional, found by the keeper where this leaves it.
 *
 *   npm run build:prover
 *
 * Needs Debian's nasm, libgmp-dev and g++ on x86-64. Multiplication in the fields is fetched from npm (ffiasm, GPL-3.0) into
 * .cache and compiled there; nothing of it enters the repository.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Q, R } from "../../circuits/setup/field.ts";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = join(HERE, "../../.cache/zk/native");
const TOOLS: [command: string, args: string[], debianPackage: string][] = [
  ["nasm", ["-v"], "nasm"],
  ["g++", ["--version"], "g++"],
];

export function buildProver(): string {
  if (process.arch !== "x64") throw new Error(`The native prover's field arithmetic is x86-64 assembly; this machine is ${process.arch}.`);
  const missing = TOOLS.filter(([command, args]) => spawnSync(command, args).status !== 0).map(([, , name]) => name);
  if (missing.length > 0) throw new Error(`Missing: ${missing.join(", ")}. On Debian: apt-get install nasm libgmp-dev g++`);

  mkdirSync(OUT, { recursive: true });
  for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(HERE, file), join(OUT, file));
  const run = (command: string, args: string[]) => execFileSync(command, args, { cwd: OUT, stdio: ["ignore", "ignore", "inherit"] });
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
  for (const [name, prime] of [["Fq", Q], ["Fr", R]] as const) {
    run(process.execPath, ["node_modules/ffiasm/src/buildzqfield.js", "-q", String(prime), "-n", name]);
    run("nasm", ["-felf64", `${name.toLowerCase()}.asm`]);
  }
  // Made for the processor that it is made on: it stays there.
  const flags = ["-O3", "-march=native", "-std=c++17", "-pthread", "-no-pie", "-Wl,-z,noexecstack", "-I."];
  for (const unit of ["fq.cpp", "fr.cpp"]) run("g++", [...flags, "-w", "-c", unit, "-o", `${unit}.o`]);
  run("g++", [...flags, "-Wall", "-Wextra", "-Wconversion", join(HERE, "prover.cpp"), "fq.cpp.o", "fr.cpp.o", "fq.o", "fr.o", "-lgmp", "-o", "prover.new"]);
  // A keeper may be running the old one.
  renameSync(join(OUT, "prover.new"), join(OUT, "prover"));
  return join(OUT, "prover");
}

if (import.meta.main) console.log(buildProver());
