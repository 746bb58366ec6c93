/**
 * The two families of failure in a keeper. Callers branch on `family` and on the stable `code`, never on the text:
 *
 *   retryable   the same call may succeed later: a timeout, an endpoint that is down, a full queue
 *   fatal       the same call fails again: malformed input, a broken promise of a peer, a missing thing
 *
 * A message is one sentence for a person; `details` carries the values it speaks of.
 */
export type ErrorFamily = "retryable" | "fatal";

export type ErrorDetails = Readonly<Record<string, unknown>>;

export class KeeperError extends Error {
  override readonly name = "KeeperError";
  readonly code: string;
  readonly family: ErrorFamily;
  readonly details: ErrorDetails;

  constructor(family: ErrorFamily, code: string, message: string, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.family = family;
    this.code = code;
    this.details = details;
  }
}

/** Worth another try, now elsewhere or later here. */
export function retryable(code: string, message: string, details?: ErrorDetails, options?: { cause?: unknown }): KeeperError {
  return new KeeperError("retryable", code, message, details, options);
}

/** The same call would fail again. */
export function fatal(code: string, message: string, details?: ErrorDetails, options?: { cause?: unknown }): KeeperError {
  return new KeeperError("fatal", code, message, details, options);
}

export function isKeeperError(error: unknown): error is KeeperError {
  return error instanceof KeeperError;
}

export function isRetryable(error: unknown): boolean {
  return isKeeperError(error) && error.family === "retryable";
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
