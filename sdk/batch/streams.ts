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
