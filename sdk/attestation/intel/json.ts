/** Strict JSON as Intel signs it, counterpart of contracts/attestation/intel/Json.sol. */
import { demand } from "./errors.ts";

const MAX_DEPTH = 8;
const HEX = /^[0-9a-fA-F]*$/;

export class JsonReader {
  readonly text: string;
  at = 0;

  constructor(bytes: Uint8Array) {
    // One character a byte: what is not ASCII stays visible and is refused where a string has it.
    this.text = Buffer.from(bytes).toString("latin1");
  }

  peek(): string {
    return this.text[this.at] ?? "";
  }

  take(character: string): void {
    demand(this.peek() === character, "JsonCharacter", { position: this.at, expected: character });
    this.at++;
  }

  more(closing: string): boolean {
    const another = this.peek() === ",";
    this.take(another ? "," : closing);
    return another;
  }

  string(): string {
    this.take('"');
    const start = this.at;
    for (;;) {
      const character = this.peek();
      if (character === '"') break;
      demand(character >= " " && character <= "~" && character !== "\\", "JsonString", { position: start });
      this.at++;
    }
    return this.text.slice(start, this.at++);
  }

  key(): string {
    const name = this.string();
    this.take(":");
    return name;
  }

  number(bits = 32): number {
    const position = this.at;
    const digits = /^\d{0,11}/.exec(this.text.slice(this.at, this.at + 11))?.[0] ?? "";
    const value = Number(digits);
    demand(digits.length > 0 && digits.length < 11 && value < 2 ** 32, "JsonNumber", { position });
    demand(digits.length === 1 || digits[0] !== "0", "JsonNumber", { position });
    demand(value < 2 ** bits, "IntelStatementSize", { position, value });
    this.at += digits.length;
    return value;
  }

  hexadecimal(bytes: number): Uint8Array {
    const position = this.at;
    const digits = this.string();
    demand(digits.length === 2 * bytes && HEX.test(digits), "JsonHex", { position, bytes });
    return new Uint8Array(Buffer.from(digits, "hex"));
  }

  /** Seconds since 1970. */
  time(): number {
    const position = this.at;
    const text = this.string();
    demand(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) && text >= "1970", "JsonTime", { position, text });
    const date = new Date(text);
    // A day that does not exist is either no date or another one.
    demand(!Number.isNaN(date.getTime()) && date.toISOString() === text.replace("Z", ".000Z"), "JsonTime", { position, text });
    return date.getTime() / 1000;
  }

  /** Members of an object; `member` reads the value. */
  object(member: (key: string) => void): void {
    this.take("{");
    do member(this.key());
    while (this.more("}"));
  }

  list(element: () => void): void {
    this.take("[");
    do element();
    while (this.more("]"));
  }

  skip(depth = MAX_DEPTH): void {
    demand(depth > 0, "JsonTooDeep", { position: this.at });
    const character = this.peek();
    if (character === '"') this.string();
    else if (character === "{" || character === "[") {
      const closing = character === "{" ? "}" : "]";
      this.at++;
      if (this.peek() === closing) {
        this.at++;
        return;
      }
      do {
        if (character === "{") this.key();
        this.skip(depth - 1);
      } while (this.more(closing));
    } else if (/[a-z]/.test(character)) {
      while (/[a-z]/.test(this.peek())) this.at++;
    } else this.number();
  }
}

/** Reads the members that are known, each at most once, and skips the others. Returns the names that were there. */
export function readMembers(reader: JsonReader, known: Record<string, () => void>, needed: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const position = reader.at;
  reader.object((key) => {
    const read = Object.hasOwn(known, key) ? known[key] : undefined;
    if (read === undefined) {
      reader.skip();
      return;
    }
    read();
    demand(!seen.has(key), "IntelStatementMember", { position, key });
    seen.add(key);
  });
  for (const key of needed) demand(seen.has(key), "IntelStatementMember", { position, key });
  return seen;
}
