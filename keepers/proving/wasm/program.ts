/**
 * The default prover as a process (warm.ts): for each line `{"zkey", "witness", "memoryMb"}` on standard input one line on standard
 * output, `{"proof", "publicSignals"}` or `{"error"}`. Keys stay loaded while they fit into half of the memory limit.
 */
import { statSync } from "node:fs";
import { createInterface } from "node:readline";

import { messageOf } from "../../errors/index.ts";
import { dieWithParent } from "../../jobs/orphan.ts";
import { loadKey } from "./groth16.ts";
import type { LoadedKey } from "./groth16.ts";

interface Question {
  zkey: string;
  witness: string;
  memoryMb: number;
}

interface Kept {
  name: string;
  key: LoadedKey;
  /** What is loaded is the file's content, and its buckets, tables and buffers: about as much again. */
  mb: number;
}

/** Least recently used first. A file that was replaced is another key. */
const kept = new Map<string, Kept>();

async function keyOf({ zkey, memoryMb }: Question): Promise<Kept> {
  const { size, mtimeMs } = statSync(zkey);
  const name = `${zkey}\n${size}\n${mtimeMs}`;
  const mb = (2 * size) / 2 ** 20;
  let entry = kept.get(name);
  kept.delete(name);
  for (const [other, { key }] of kept) {
    if ([...kept.values()].reduce((sum, each) => sum + each.mb, mb) <= memoryMb / 2) break;
    kept.delete(other);
    await key.close();
  }
  entry ??= { name, key: await loadKey(zkey), mb };
  kept.set(name, entry);
  return entry;
}

async function answer(question: Question): Promise<object> {
  let entry: Kept | undefined;
  try {
    entry = await keyOf(question);
    return await entry.key.prove(question.witness);
  } catch (error) {
    // Threads that failed once are not asked again.
    if (entry) {
      kept.delete(entry.name);
      await entry.key.close();
    }
    return { error: messageOf(error) };
  }
}

// The keeper is gone, or has no more work.
process.stdin.once("end", () => process.exit(0));
// Reading a large key blocks this thread, and with it that event.
dieWithParent();
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as Question))}\n`);
}
