import { ChatAssembler, wholeAnswer } from "../openai/assemble.ts";
import { isRecord, jsonEvents } from "../openai/events.ts";
import type { ChatAnswer } from "../protocol/answers.ts";
import { NodeError } from "./session.ts";

/** A chat on its way. */
export interface StreamedChat<V> extends AsyncIterable<string> {
  /** Resolves when the stream has ended and its receipt holds; rejects otherwise. */
  verified: Promise<V>;
}

/** The assistant's message of a whole answer. @throws NodeError when there is none. */
export function readChat(json: Record<string, unknown>): ChatAnswer {
  const read = wholeAnswer(json);
  if (!read) throw new NodeError(200, "BAD_ANSWER", "the answer has no choice");
  return read.answer;
}

/**
 * Reads server-sent events: text goes to whoever iterates, the whole answer and the receipt's document to `finish`.
 * The stream is read only as fast as it is iterated; who leaves it early, or is cut off, has no receipt, and `abandon` hears of it.
 */
export function streamChat<V>(
  response: Response,
  finish: (answer: ChatAnswer, opengradient: unknown) => Promise<V>,
  abandon: (reason: string) => Promise<void>,
): StreamedChat<V> {
  let resolve!: (value: V) => void;
  let reject!: (reason: unknown) => void;
  const verified = new Promise<V>((yes, no) => ([resolve, reject] = [yes, no]));
  // Whoever iterates hears of the failure there as well; an unread promise must not end the process.
  verified.catch(() => undefined);

  async function* pieces(): AsyncGenerator<string> {
    const message = new ChatAssembler();
    let document: unknown;
    let failure: unknown;
    let ended = false;
    try {
      for await (const chunk of jsonEvents(response.body!)) {
        document = chunk.opengradient ?? document;
        failure = chunk.error ?? failure;
        const { text } = message.add(chunk);
        if (text !== "") yield text;
      }
      ended = true;
      const value = await finish(message.answer(), document);
      if (isRecord(failure)) throw new NodeError(200, String(failure.code), `${String(failure.message)} What was sent is charged, and its receipt holds.`);
      resolve(value);
    } catch (error) {
      reject(error);
      throw error;
    } finally {
      if (!ended) {
        const reason = "the stream was left before its receipt came";
        reject(new NodeError(200, "INTERRUPTED", reason));
        await abandon(reason);
      }
    }
  }

  return { [Symbol.asyncIterator]: () => pieces(), verified };
}
