/** A link of a set-up does not hold. `code` is stable: scripts and tests branch on it. */
export class SetupBroken extends Error {
  override readonly name = "SetupBroken";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
