/** A pull stream over an iteration; browsers know no `ReadableStream.from` yet. */
export function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<BufferSource> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<BufferSource>({
    async pull(controller) {
      const { value, done } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value as BufferSource);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

/** The other way: browsers do not all iterate over their streams. Leaving the loop cancels the stream. */
export async function* chunksOfStream(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => {});
  }
}
