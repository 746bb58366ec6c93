/**
 * What a command is doing, on the terminal of whoever waits for it: one line on standard error that is overwritten and leaves no trace.
 * Where standard error is a file or a pipe there is nothing.
 */
export interface Progress {
  /** From now on it does this. */
  step(what: string): void;
  /** Takes the line away: before anything else is printed, and at the end. */
  clear(): void;
}

export const SILENT: Progress = { step: () => {}, clear: () => {} };

const TICK_MS = 1_000;

type Terminal = Pick<NodeJS.WriteStream, "isTTY" | "columns" | "write">;

export function openProgress(terminal: Terminal = process.stderr): Progress {
  if (!terminal.isTTY) return SILENT;
  let timer: NodeJS.Timeout | undefined;
  const clear = () => {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    terminal.write("\r\x1b[2K");
  };
  return {
    step(what) {
      clear();
      const started = performance.now();
      const draw = () => {
        const seconds = Math.round((performance.now() - started) / 1_000);
        // A line that wraps could not be taken away again.
        const line = `... ${what}${seconds > 0 ? `, ${seconds} s` : ""}`.slice(0, Math.max(0, (terminal.columns || 80) - 1));
        terminal.write(`\r\x1b[2K${line}`);
      };
      draw();
      timer = setInterval(draw, TICK_MS);
      timer.unref();
    },
    clear,
  };
}
