/** The checking thread: a million signatures do not hold up the page. */
import { inlineChecker, type WorkerAnswer, type WorkerRequest } from "./checker.ts";

interface Thread {
  onmessage: ((event: MessageEvent<WorkerRequest>) => void) | null;
  postMessage(answer: WorkerAnswer): void;
}

const thread = globalThis as unknown as Thread;
const checker = inlineChecker(fetch);
/** Reports above this many a second would only keep the page busy. */
const PAUSE_MS = 100;

thread.onmessage = ({ data }) => {
  let reported = 0;
  const onProgress = (progress: Parameters<Parameters<typeof checker.check>[1]>[0]) => {
    if (performance.now() - reported < PAUSE_MS) return;
    reported = performance.now();
    thread.postMessage({ id: data.id, progress });
  };
  const work = data.kind === "check" ? checker.check(data.job, onProgress) : data.kind === "leaves" ? checker.leaves(data.from, data.limit) : checker.package(data.job);
  work.then(
    (value) => thread.postMessage({ id: data.id, value }),
    (error: unknown) => thread.postMessage({ id: data.id, error: error instanceof Error ? error.message : String(error), name: error instanceof Error ? error.name : "Error" }),
  );
};
