import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface ProcessSpec {
  /** Short name; also the name of the log file. */
  name: string;
  /** Command and arguments; `node` is the project's own Node. */
  command: string[];
  env?: Record<string, string>;
  /** Resolves when the process serves; called again and again until it returns true. */
  ready: () => Promise<boolean>;
  /** Milliseconds to wait for `ready`; the group's own when left out. */
  timeout?: number;
  /** Milliseconds that its stop may take after SIGTERM, as it tells its supervisor. */
  stopMs?: number;
}

/** What a keeper without more to wait for asks for (`keepers/app/run.ts`). */
export const STOP_MS = 8_000;
/** So that who ends in time is not killed for the last line of its log. */
const MARGIN_MS = 1_000;

/**
 * The processes of a local network: each with its own log file, started one by one or together, and all ended with the
 * parent, in the reverse of their start.
 */
export class ProcessGroup {
  readonly #folder: string;
  readonly #timeout: number;
  readonly #running: { name: string; child: ChildProcess; stopMs: number }[] = [];

  /**
   * @param folder Where `<name>.log` files go.
   * @param timeout Milliseconds to wait for each process to be ready.
   */
  constructor(folder: string, timeout = 60_000) {
    this.#folder = folder;
    this.#timeout = timeout;
    mkdirSync(folder, { recursive: true });
  }

  /** @throws Error with the end of the log when the process exits or does not become ready in time. */
  async start({ name, command, env, ready, timeout = this.#timeout, stopMs = STOP_MS }: ProcessSpec): Promise<ChildProcess> {
    const log = join(this.#folder, `${name}.log`);
    const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    const file = createWriteStream(log);
    child.stdout!.pipe(file, { end: false });
    child.stderr!.pipe(file, { end: false });
    let exited: string | undefined;
    child.once("exit", (code, signal) => (exited = signal ?? `code ${code}`));
    child.once("error", (error) => (exited = error.message));
    this.#running.push({ name, child, stopMs });
    const deadline = performance.now() + timeout;
    while (!(await ready().catch(() => false))) {
      if (exited !== undefined) throw new Error(`${name} ended (${exited}) before it was ready. Its log, ${log}, ends with:\n${tail(log)}`);
      if (performance.now() > deadline) throw new Error(`${name} was not ready after ${timeout / 1000} s. Its log, ${log}, ends with:\n${tail(log)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return child;
  }

  /**
   * SIGTERM, and SIGKILL for what is still there after the time that it asked for.
   * @param most Bound of that, milliseconds.
   */
  async stop(most = 180_000): Promise<void> {
    for (const { child, stopMs } of this.#running.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), Math.min(stopMs + MARGIN_MS, most));
      await gone;
      clearTimeout(timer);
    }
    this.#running.length = 0;
  }
}

/** The last lines of a log, for an error message. */
function tail(file: string, lines = 15): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "(empty)";
  }
}
