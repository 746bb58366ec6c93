import { isKeeperError, messageOf, retryable } from "../errors/index.ts";

/** Reads a body up to `limit` bytes. A peer cannot fill our memory: what is longer is dropped on the way. */
export async function readLimited(response: Response, limit: number, url: string): Promise<Uint8Array> {
  const tooLong = () => retryable("walrus.answer_too_long", `The answer is longer than ${limit} bytes.`, { url, limit });
  try {
    if (Number(response.headers.get("content-length") ?? 0) > limit) {
      await response.body?.cancel();
      throw tooLong();
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    // Leaving the loop by an error cancels the stream.
    for await (const chunk of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > limit) throw tooLong();
      chunks.push(chunk);
    }
    return new Uint8Array(Buffer.concat(chunks));
  } catch (error: unknown) {
    if (isKeeperError(error)) throw error;
    const code = error instanceof Error && error.name === "TimeoutError" ? "walrus.timeout" : "walrus.unreachable";
    throw retryable(code, `The answer broke off: ${messageOf(error)}`, { url }, { cause: error });
  }
}
