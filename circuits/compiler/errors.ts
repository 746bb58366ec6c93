/** Where in the model something happened: reported with every refusal, so that the reader can find the node. */
export interface NodePlace {
  readonly operator: string;
  readonly node: string;
}

/** Base of everything the compiler refuses. `code` is stable; tests assert it and never the text. */
export class CompileError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
    this.name = "CompileError";
  }
}

/** The file is not a well-formed model: bad protobuf, cycle, missing tensor, NaN weight. */
export class InvalidModelError extends CompileError {
  constructor(reason: string) {
    super("MODEL_INVALID", `model refused: ${reason}`);
  }
}

/** A node that cannot be expressed, with what the author of the model can do about it. */
export class UnsupportedError extends CompileError {
  readonly place: NodePlace;
  readonly reason: string;
  readonly advice: string;

  constructor(place: NodePlace, reason: string, advice: string) {
    super("OPERATOR_UNSUPPORTED", `operator ${place.operator} at node "${place.node}": ${reason}. ${advice}`);
    this.place = place;
    this.reason = reason;
    this.advice = advice;
  }
}

/** The model is fine but too large for one circuit. */
export class BudgetError extends CompileError {
  constructor(what: string, value: number, limit: number) {
    super("BUDGET_EXCEEDED", `${what} is ${value}, limit ${limit}: split the model into layers or raise the limit`);
  }
}

/** An input that lies outside of the admissible box or has the wrong shape. */
export class InputError extends CompileError {
  constructor(reason: string) {
    super("INPUT_REFUSED", `input refused: ${reason}`);
  }
}
