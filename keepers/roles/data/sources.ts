/** Asks a feed's sources and makes one number of their answers. */
import { type Hex, bytesToHex, concatHex, keccak256, toHex } from "viem";
import { pinnedFetch } from "../../../sdk/transport/pinnedFetch.ts";
import { fatal, isKeeperError, messageOf, retryable } from "../../errors/index.ts";

const MAX_ANSWER = 1024 * 1024;
const NO_PIN = `0x${"00".repeat(32)}`;

export interface SourceAnswer {
  value: bigint;
  /** keccak256 over each source's URL and the hash of what it answered. */
  evidenceHash: Hex;
  /** Sources that answered. */
  answered: number;
}

export interface SourceOptions {
  timeoutMs: number;
  /** Plain http and loopback: devnets only. */
  allowPlain: boolean;
  fetch?: typeof fetch;
}

/**
 * Median of the sources that answer; more than half of them must.
 * @throws `data.sources` when too few do
 */
export async function observeSources(definition: { sources: readonly string[]; tlsPins: readonly Hex[]; decimals: number }, options: SourceOptions): Promise<SourceAnswer> {
  const { sources, tlsPins, decimals } = definition;
  const answers = await Promise.all(
    sources.map(async (source, index) => {
      try {
        const body = await ask(source, tlsPins[index] ?? NO_PIN, options);
        return { source, body, value: toInteger(at(JSON.parse(Buffer.from(body).toString("utf8")), pointerOf(source)), decimals) };
      } catch (error) {
        return { source, reason: isKeeperError(error) ? error.message : messageOf(error) };
      }
    }),
  );
  const good = answers.filter((answer) => "value" in answer);
  if (good.length * 2 <= sources.length) {
    const reasons = answers.flatMap((answer) => ("reason" in answer ? [`${answer.source}: ${answer.reason}`] : []));
    throw retryable("data.sources", `${good.length} of ${sources.length} sources answered: ${reasons.join("; ")}`, { answered: good.length });
  }
  const evidence = good.map(({ source, body }) => keccak256(concatHex([keccak256(toHex(source)), keccak256(bytesToHex(body!))])));
  return { value: median(good.map(({ value }) => value!)), evidenceHash: keccak256(concatHex(evidence)), answered: good.length };
}

async function ask(source: string, pin: string, { timeoutMs, allowPlain, fetch: given = fetch }: SourceOptions): Promise<Uint8Array> {
  const url = new URL(source);
  if (url.protocol !== "https:" && !allowPlain) throw fatal("data.plain_source", "A source must be https.", { source });
  const pinned = pin === NO_PIN ? null : pinnedFetch(pin.toLowerCase() as Hex);
  try {
    const response = await (pinned ?? given)(url.href.split("#")[0]!, { signal: AbortSignal.timeout(timeoutMs), headers: { accept: "application/json" } });
    if (!response.ok) throw retryable("data.source_status", `HTTP ${response.status}`, { source });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > MAX_ANSWER) throw fatal("data.source_too_long", `the answer is longer than ${MAX_ANSWER} bytes`, { source });
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    pinned?.close();
  }
}

/** RFC 6901 pointer after "#"; the whole document without one. */
function pointerOf(source: string): string {
  const hash = source.indexOf("#");
  return hash < 0 ? "" : decodeURIComponent(source.slice(hash + 1));
}

export function at(document: unknown, pointer: string): unknown {
  if (pointer === "") return document;
  if (!pointer.startsWith("/")) throw fatal("data.pointer", `The pointer ${pointer} does not begin with "/".`);
  return pointer.slice(1).split("/").reduce<unknown>((value, part) => {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, name)) throw fatal("data.pointer", `The answer has nothing at ${pointer}.`);
    return (value as Record<string, unknown>)[name];
  }, document);
}

/**
 * A decimal number (JSON number or string) in units of 10^-decimals, rounded half away from zero. Digit by digit: a
 * double would lose the last ones.
 * @throws `data.not_a_number`
 */
export function toInteger(value: unknown, decimals: number): bigint {
  const text = typeof value === "number" ? String(value) : typeof value === "string" ? value.trim() : "";
  const match = /^([+-]?)(\d{1,60})(?:\.(\d{1,80}))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text);
  if (!match) throw fatal("data.not_a_number", `The answer is not a number: ${JSON.stringify(value)?.slice(0, 60)}`);
  const [, sign, whole, fraction = "", exponent = "0"] = match;
  const digits = BigInt(whole! + fraction);
  const shift = decimals - fraction.length + Number(exponent);
  if (shift > 90) throw fatal("data.not_a_number", `The answer is too large: ${text.slice(0, 60)}`);
  const magnitude = shift >= 0 ? digits * 10n ** BigInt(shift) : (digits + 5n * 10n ** BigInt(-shift - 1)) / 10n ** BigInt(-shift);
  if (magnitude >= 1n << 255n) throw fatal("data.not_a_number", `The answer does not fit 256 bits: ${text.slice(0, 60)}`);
  return sign === "-" ? -magnitude : magnitude;
}

/** Lower median: a value that some source gave. */
export function median(values: readonly bigint[]): bigint {
  return [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))[Math.floor((values.length - 1) / 2)]!;
}
