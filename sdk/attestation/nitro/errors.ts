/** A document is refused. `code` is the name of the error that the contract reverts with for the same document. */
export class NitroError extends Error {
  readonly code: string;
  readonly values: Readonly<Record<string, unknown>>;

  constructor(code: string, values: Record<string, unknown> = {}) {
    const detail = Object.entries(values)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(", ");
    super(detail ? `${code}: ${detail}` : code);
    this.name = "NitroError";
    this.code = code;
    this.values = values;
  }
}

export function demand(condition: boolean, code: string, values: Record<string, unknown> = {}): asserts condition {
  if (!condition) throw new NitroError(code, values);
}
