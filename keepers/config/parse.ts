/** Validators of the configuration table. Each throws the end of a sentence: `OG_PORT: "x" is not a whole number`. */
import { type Address, type Hex, getAddress, isAddress, isHex, size } from "viem";

export const text = (value: string): string => value;

export function required(value: string): string {
  if (value.trim() === "") throw new Error("is empty");
  return value;
}

export function oneOf<const T extends string>(...allowed: T[]): (value: string) => T {
  return (value) => {
    const found = allowed.find((item) => item === value);
    if (found === undefined) throw new Error(`is not one of ${allowed.join(", ")}`);
    return found;
  };
}

export function integer({ min = 0, max = Number.MAX_SAFE_INTEGER } = {}): (value: string) => number {
  return (value) => {
    if (!/^-?\d+$/.test(value)) throw new Error("is not a whole number");
    const number = Number(value);
    if (number < min || number > max) throw new Error(`is outside of ${min} to ${max}`);
    return number;
  };
}

export function wholeAmount(value: string): bigint {
  if (!/^\d+$/.test(value)) throw new Error("is not a whole number of the smallest unit");
  return BigInt(value);
}

export function flag(value: string): boolean {
  if (value !== "true" && value !== "false") throw new Error("is neither true nor false");
  return value === "true";
}

export function url(value: string): string {
  const parsed = URL.parse(value);
  if (!parsed || !["http:", "https:"].includes(parsed.protocol)) throw new Error("is not an http(s) URL");
  return value.replace(/\/+$/, "");
}

/** Comma-separated; an empty text is an empty list. */
export function list<T>(parse: (value: string) => T, { min = 0 } = {}): (value: string) => T[] {
  return (value) => {
    const items = value
      .split(",")
      .map((item) => item.trim())
      .filter(Boolean)
      .map(parse);
    if (items.length < min) throw new Error(`has ${items.length} entries; at least ${min} are needed`);
    return items;
  };
}

export function address(value: string): Address {
  if (!isAddress(value, { strict: false })) throw new Error("is not an address");
  return getAddress(value);
}

export function bytes32(value: string): Hex {
  if (!isHex(value) || size(value) !== 32) throw new Error("is not 32 bytes in hex");
  return value;
}

export function optional<T>(parse: (value: string) => T): (value: string) => T | undefined {
  return (value) => (value === "" ? undefined : parse(value));
}

/** "host:port"; a bare port means loopback. */
export function listenAddress(value: string): { host: string; port: number } {
  const [host, port] = value.includes(":") ? [value.slice(0, value.lastIndexOf(":")), value.slice(value.lastIndexOf(":") + 1)] : ["127.0.0.1", value];
  return { host: required(host), port: integer({ min: 0, max: 65_535 })(port) };
}
