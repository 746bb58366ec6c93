/** A worker thread: checks chunks of one batch at a time. Messages: see verify-pool.ts. */
import { parentPort } from "node:worker_threads";
import { chunkChecker, type ChunkChecker } from "../../../sdk/batch/index.ts";
import type { ChunkTask, ChunkAnswer, OpenTask } from "./verify-pool.ts";

const checkers = new Map<number, ChunkChecker>();

parentPort!.on("message", (message: ChunkTask | OpenTask | { kind: "close"; batch: number }) => {
  if (message.kind === "open") checkers.set(message.batch, chunkChecker(message.options));
  else if (message.kind === "close") checkers.delete(message.batch);
  else void answer(message);
});

async function answer({ id, batch, bytes, count }: ChunkTask): Promise<void> {
  let reply: ChunkAnswer;
  try {
    const result = await checkers.get(batch)!(bytes, count);
    reply = { id, result: { ...result, bytes } };
    parentPort!.postMessage(reply, [result.leaves.buffer as ArrayBuffer, result.digests.buffer as ArrayBuffer, bytes.buffer as ArrayBuffer]);
  } catch (error) {
    reply = { id, error: error instanceof Error ? error.message : String(error) };
    parentPort!.postMessage(reply);
  }
}
