import { keccak_256 } from "@noble/hashes/sha3.js";
import { open } from "node:fs/promises";
import { type Hex, bytesToHex } from "viem";
import { isKeeperError, messageOf, retryable } from "../errors/index.ts";

/** A body piece by piece, up to `limit` bytes: a peer cannot fill our memory or disk, what is longer is dropped on the way. */
async function* limited(response: Response, limit: number, url: string): AsyncGenerator<Uint8Array> {
  const tooLong = () => retryable("walrus.answer_too_long", `The answer is longer than ${limit} bytes.`, { url, limit });
  try {
    if (Number(response.headers.get("content-length") ?? 0) > limit) {
      await response.body?.cancel();
      throw tooLong();
    }
    let size = 0;
    // Leaving the loop by an error cancels the stream.
    for await (const chunk of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > limit) throw tooLong();
      yield chunk;
    }
  } catch (error: unknown) {
    if (isKeeperError(error)) throw error;
    const code = error instanceof Error && error.name === "TimeoutError" ? "walrus.timeout" : "walrus.unreachable";
    throw retryable(code, `The answer broke off: ${messageOf(error)}`, { url }, { cause: error });
  }
}

/** A whole body of at most `limit` bytes. */
export async function readLimited(response: Response, limit: number, url: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of limited(response, limit, url)) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

/** A body of at most `limit` bytes into a file, synced; gives its size and keccak-256. */
export async function saveLimited(response: Response, limit: number, url: string, path: string): Promise<{ size: number; hash: Hex }> {
  const hash = keccak_256.create();
  const file = await open(path, "w");
  let size = 0;
  try {
    for await (const chunk of limited(response, limit, url)) {
      hash.update(chunk);
      size += chunk.length;
      await file.write(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { size, hash: bytesToHex(hash.digest()) };
}
