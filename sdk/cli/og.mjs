#!/usr/bin/env node
// Starts the command line under a Node that runs TypeScript as it is: this one, or the one that the package brings.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const bundled = join(here, "..", "..", "node_modules", ".bin", "node");
const [major] = process.versions.node.split(".").map(Number);
const runtime = major >= 24 || !existsSync(bundled) ? process.execPath : bundled;
const { status, signal } = spawnSync(runtime, ["--disable-warning=ExperimentalWarning", join(here, "main.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
process.exit(signal ? 1 : status ?? 1);
