import { NitroError } from "../nitro/errors.ts";

/** Evidence or collateral is refused. `code` is the name of the error that the contracts revert with. DER's errors are shared. */
export class IntelError extends NitroError {
  constructor(code: string, values: Record<string, unknown> = {}) {
    super(code, values);
    this.name = "IntelError";
  }
}

export function demand(condition: boolean, code: string, values: Record<string, unknown> = {}): asserts condition {
  if (!condition) throw new IntelError(code, values);
}
