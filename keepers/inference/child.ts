/** One runtime process, with at most one request under way. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

import { fatal, retryable } from "../errors/index.ts";
import type { FromRuntime, ToRuntime } from "./protocol.ts";

type Request = ToRuntime extends infer T ? (T extends { id: number } ? Omit<T, "id"> : never) : never;

export interface Runtime {
  readonly alive: boolean;
  /** Sends one request. After a timeout or a crash the runtime is dead and another must be started. */
  ask(request: Request, timeoutMs: number): Promise<FromRuntime>;
  kill(): Promise<void>;
}

export function startRuntime(file: string = fileURLToPath(new URL("./runtime.ts", import.meta.url))): Runtime {
  // The child gets no environment: it runs models from outside, and there may be secrets in ours.
  const child: ChildProcess = fork(file, [], {
    serialization: "advanced",
    execArgv: [],
    env: {},
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  let waiting: { id: number; resolve: (answer: FromRuntime) => void; reject: (error: unknown) => void } | undefined;
  let alive = true;
  let nextId = 0;
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));

  const idle = (): void => {
    child.unref();
    child.channel?.unref();
  };
  const end = (error: unknown): void => {
    alive = false;
    child.kill("SIGKILL");
    waiting?.reject(error);
    waiting = undefined;
  };
  child.on("message", (answer: FromRuntime) => {
    if (answer.id !== waiting?.id) return;
    const { resolve } = waiting;
    waiting = undefined;
    idle();
    resolve(answer);
  });
  child.on("error", (error) => end(retryable("onnx.crashed", `The runtime process failed: ${error.message}.`)));
  child.on("exit", (code, signal) => end(retryable("onnx.crashed", `The runtime process ended (${signal ?? code}).`, { code, signal })));
  idle();

  return {
    get alive() {
      return alive;
    },
    ask(request, timeoutMs) {
      if (waiting || !alive) return Promise.reject(fatal("onnx.misused", "The runtime process is busy or dead."));
      const id = nextId++;
      child.ref();
      child.channel?.ref();
      return new Promise<FromRuntime>((resolve, reject) => {
        const timer = setTimeout(() => {
          end(retryable("onnx.timeout", `The model did not finish within ${timeoutMs} ms.`, { timeoutMs }));
        }, timeoutMs);
        waiting = {
          id,
          resolve: (answer) => (clearTimeout(timer), resolve(answer)),
          reject: (error) => (clearTimeout(timer), reject(error)),
        };
        child.send({ ...request, id });
      });
    },
    async kill() {
      end(fatal("onnx.closed", "Inference was closed."));
      await gone;
    },
  };
}
