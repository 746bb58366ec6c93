/**
 * The one place that decides what may leave the process as text. Two nets: fields whose name says that they are secret,
 * and the very secrets that this process was started with, wherever they turn up.
 */
const SECRET_NAME = /(^|_|-)(password|passwd|secret|private_?key|priv|mnemonic|seed|token|authorization|cookie|salt|prompt|apikey|api_key)s?$/i;
const CAMEL_SECRET = /(Password|Secret|PrivateKey|Mnemonic|Token|Authorization|Salt|ApiKey)$/;
const MASK = "[redacted]";
const MAX_DEPTH = 8;
const MAX_TEXT = 4_000;

export interface Redactor {
  (value: unknown): unknown;
  /** Adds a value that must never appear in any output. */
  learn(secret: string): void;
}

export function createRedactor(): Redactor {
  const secrets = new Set<string>();

  function text(value: string): string {
    let out = value;
    for (const secret of secrets) if (out.includes(secret)) out = out.split(secret).join(MASK);
    // Credentials inside of URLs.
    out = out.replace(/(\w+:\/\/)[^/\s:@]+:[^/\s@]+@/g, `$1${MASK}@`);
    return out.length > MAX_TEXT ? `${out.slice(0, MAX_TEXT)}… (${out.length} characters)` : out;
  }

  function visit(value: unknown, depth: number): unknown {
    if (typeof value === "string") return text(value);
    if (typeof value === "bigint") return value.toString();
    if (value === null || typeof value !== "object") return typeof value === "function" ? undefined : value;
    if (depth >= MAX_DEPTH) return "[deep]";
    if (value instanceof Error) {
      const { name, message, stack, cause } = value;
      const extra = value as { code?: unknown; family?: unknown; details?: unknown };
      return visit({ name, message, code: extra.code, family: extra.family, details: extra.details, stack, cause }, depth + 1);
    }
    if (value instanceof Uint8Array) return `[${value.length} bytes]`;
    if (Array.isArray(value)) return value.slice(0, 100).map((item) => visit(item, depth + 1));
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, SECRET_NAME.test(name) || CAMEL_SECRET.test(name) ? MASK : visit(item, depth + 1)]),
    );
  }

  const redact = ((value: unknown) => visit(value, 0)) as Redactor;
  redact.learn = (secret) => {
    // Short values would blank out half of every line.
    if (secret.length < 8) return;
    secrets.add(secret);
    if (secret.startsWith("0x")) secrets.add(secret.slice(2));
  };
  return redact;
}
