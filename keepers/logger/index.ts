import { type DestinationStream, pino } from "pino";
import { createRedactor, type Redactor } from "./redact.ts";

export { createRedactor, type Redactor } from "./redact.ts";

/** Fields first, then one short sentence: `log.info({ hash }, "batch posted")`. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

export interface LoggerOptions {
  level: string;
  /** Where lines go; stdout by default. */
  destination?: DestinationStream;
  redact?: Redactor;
  base?: object;
}

/** One JSON object a line, every value through the one redaction function. */
export function createLogger({ level, destination, redact = createRedactor(), base = {} }: LoggerOptions): Logger {
  const out = pino(
    {
      level,
      base: redact(base) as object,
      messageKey: "msg",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
  const wrap = (logger: typeof out): Logger => {
    const write = (name: "debug" | "info" | "warn" | "error") => (fields: object, message: string) => {
      if (logger.isLevelEnabled(name)) logger[name](redact(fields) as object, redact(message) as string);
    };
    return {
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
      child: (fields) => wrap(logger.child(redact(fields) as Record<string, unknown>)),
    };
  };
  return wrap(out);
}

/** For tests and tools that have no one to tell. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLogger };
