import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Hex } from "viem";

/** Runs `og` as a person does: a process of its own, with `og.json` of the folder as its network, the key as its signer, and what it remembers in the folder. */
export async function runOg(args: readonly string[], { dir, key }: { dir: string; key: Hex }): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, NODE_NO_WARNINGS: "1", OG_NETWORK: join(dir, "og.json"), OG_DEV_PRIVATE_KEY: key, OG_CHANNELS: join(dir, "channels.json"), OG_DISPUTES: join(dir, "disputes") };
  const child = spawn(process.execPath, ["sdk/cli/main.ts", ...args], { env });
  let [out, err] = ["", ""];
  child.stdout.on("data", (piece: Buffer) => (out += piece.toString()));
  child.stderr.on("data", (piece: Buffer) => (err += piece.toString()));
  const code = await new Promise<number>((resolve) => child.once("close", (status) => resolve(status ?? 1)));
  return { code, out, err };
}
