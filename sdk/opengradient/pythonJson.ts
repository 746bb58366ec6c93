/**
 * JSON as Python's `json.dumps(value, sort_keys=True)` writes it: separators ", " and ": ", non-ASCII escaped as
 * \uXXXX (surrogate pairs above the BMP), keys in code point order, floats as Python's repr.
 *
 * Python tells 1 from 1.0 and JavaScript does not, so a float that must keep its point is wrapped in `PythonFloat`.
 */
export class PythonFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** @throws TypeError on a value that JSON cannot hold. */
export function pythonJson(value: unknown): string {
  if (value === null) return "null";
  if (value instanceof PythonFloat) return pythonFloat(value.value);
  switch (typeof value) {
    case "boolean":
      return value ? "true" : "false";
    case "number":
      return Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(value).toString() : pythonFloat(value);
    case "bigint":
      return value.toString();
    case "string":
      return pythonString(value);
    case "object":
      return Array.isArray(value) ? `[${value.map(pythonJson).join(", ")}]` : pythonObject(value as Record<string, unknown>);
    default:
      throw new TypeError(`JSON holds no ${typeof value}`);
  }
}

function pythonObject(value: Record<string, unknown>): string {
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => compareCodePoints(a, b));
  return `{${entries.map(([key, item]) => `${pythonString(key)}: ${pythonJson(item)}`).join(", ")}}`;
}

/** Python sorts strings by code point, JavaScript by UTF-16 unit: they differ above the BMP. */
function compareCodePoints(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function pythonString(value: string): string {
  const escape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, escape).replace(/\\u007f/g, "\u007f");
}

/** Python's repr of a float: shortest digits, always a point or an exponent, exponent from 1e16 up and below 1e-4. */
function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`JSON holds no ${value}`);
  if (Object.is(value, -0)) return "-0.0";
  const [digits, exponentText] = value.toExponential().split("e") as [string, string];
  const exponent = Number(exponentText);
  if (value !== 0 && (exponent >= 16 || exponent < -4)) {
    const magnitude = Math.abs(exponent).toString().padStart(2, "0");
    return `${digits}e${exponent < 0 ? "-" : "+"}${magnitude}`;
  }
  if (Number.isInteger(value)) return `${BigInt(value)}.0`;
  // JavaScript writes an exponent only below 1e-6 here, and those values are gone already.
  return value.toString();
}
