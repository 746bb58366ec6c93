// Brings the project's toolchain to a machine that has only Node (20 or newer) and npm.
//
// Hardhat needs a newer Node than many machines have, and npm under an old Node silently skips native
// packages. So Node itself is a devDependency, and the install runs under it. Built-ins only: this file
// runs before anything is installed, under the machine's own Node.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "node_modules");
const stamp = join(modules, ".bootstrap-stamp");
const lock = readFileSync(join(root, "package-lock.json"));
const wanted = createHash("sha256").update(lock).digest("hex");

function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && statSync(modules).isDirectory();
}

if (!isInstalled()) {
  console.log("Installing the toolchain (once; about a minute) ...");
  const result = spawnSync("npx", ["-y", "-p", "node@24", "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
    env: {
      ...process.env,
      // Without this the package's install script tries a download when it sees a CUDA compiler.
      ONNXRUNTIME_NODE_INSTALL_CUDA: "skip",
    },
  });
  if (result.status !== 0) {
    console.error(
      `The install failed (exit ${result.status ?? result.signal ?? result.error?.message}).\n` +
        "What to do: check that npm reaches its registry (npm ping), then run the command again.",
    );
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}
