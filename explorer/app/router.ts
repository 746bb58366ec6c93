/** Addresses behind the `#`, so that any place that serves files can serve the page. */
export interface Route {
  /** First part of the path; "" is the overview. */
  name: string;
  /** The parts behind it. */
  args: string[];
  query: URLSearchParams;
}

const MAX_LENGTH = 2_048;

/** Pure. Anything that cannot be read is the overview's. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.slice(0, MAX_LENGTH).replace(/^#\/?/, "").split("?", 2);
  const [name = "", ...args] = path.split("/").filter(Boolean).map(decode);
  return { name, args, query: new URLSearchParams(query) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const HASH = /^0x[0-9a-fA-F]{64}$/;

/** A 32-byte id out of an address, or null. */
export function hashArg(text: string | undefined): `0x${string}` | null {
  return text !== undefined && HASH.test(text) ? (text.toLowerCase() as `0x${string}`) : null;
}

/** A block or place out of a query, or undefined. */
export function numberArg(text: string | null): bigint | undefined {
  return text !== null && /^\d{1,18}$/.test(text) ? BigInt(text) : undefined;
}
