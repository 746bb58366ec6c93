/** Values for people. What comes from chain, ledger or blob is somebody's text: it is cut and stripped here, and escaped by lit-html. */

/** Characters that make text look like something else: controls, bidirectional marks, zero-width ones. */
const DECEIVING = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff]/gu;

/** Somebody's text on one line, at most `most` characters. */
export function clean(text: unknown, most = 160): string {
  const line = String(text).slice(0, most * 8).replace(/[\r\n\t]+/g, " ").replace(DECEIVING, "�");
  const letters = [...line];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : line;
}

/** First and last digits of a hash or address. */
export function short(hex: string, digits = 6): string {
  return hex.length <= 2 + 2 * digits ? hex : `${hex.slice(0, 2 + digits)}…${hex.slice(-digits)}`;
}

/** Whole number with groups. */
export function count(value: bigint | number): string {
  return value.toString().replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/** Smallest units as a decimal number of whole ones, without zeros at the end. */
export function amount(value: bigint, decimals: number): string {
  const sign = value < 0n ? "−" : "";
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, "0");
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  const whole = count(BigInt(digits.slice(0, digits.length - decimals)));
  return `${sign}${whole}${decimals > 0 && fraction ? `.${fraction}` : ""}`;
}

/** Hundredths of a percent. */
export const percent = (bps: number): string => `${amount(BigInt(bps), 2)} %`;

/** A moment, UTC. @param seconds Since 1970. */
export function moment(seconds: bigint | number): string {
  const value = Number(seconds) * 1000;
  if (!Number.isFinite(value) || Math.abs(value) > 8.64e15) return `second ${seconds} (no date)`;
  return `${new Date(value).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Machine-readable form of a moment, for `<time datetime>`; empty when there is none. */
export function isoOf(seconds: bigint | number): string {
  const value = Number(seconds) * 1000;
  return Number.isFinite(value) && Math.abs(value) <= 8.64e15 ? new Date(value).toISOString() : "";
}

/** A length of time in its largest units. */
export function duration(seconds: bigint | number, units = 2): string {
  let rest = BigInt(seconds);
  const parts: string[] = [];
  for (const [length, name] of [[86_400n, "d"], [3_600n, "h"], [60n, "min"], [1n, "s"]] as const) {
    if (rest >= length || (name === "s" && parts.length === 0)) parts.push(`${count(rest / length)} ${name}`);
    rest %= length;
    if (parts.length === units) break;
  }
  return parts.filter((part, index) => index === 0 || !part.startsWith("0 ")).join(" ");
}

/** "3 min ago", "in 2 h": by the reader's clock, in one unit. */
export function relative(seconds: bigint, now: bigint): string {
  const past = now - seconds;
  if (past >= 0n && past < 2n) return "now";
  return past > 0n ? `${duration(past, 1)} ago` : `in ${duration(-past, 1)}`;
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  const [unit, name] = size < 1024 ** 2 ? [1024, "KiB"] : size < 1024 ** 3 ? [1024 ** 2, "MiB"] : [1024 ** 3, "GiB"];
  return `${(size / unit).toFixed(1)} ${name}`;
}

/** The URL, if a reader may be sent there: http or https and nothing hidden in front of the host. */
export function linkable(text: string): string | null {
  if (text.length > 512 || !URL.canParse(text)) return null;
  const url = new URL(text);
  return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" ? url.href : null;
}

/** An error in a few words. viem's errors carry a page of details behind their first line. */
export function reasonOf(error: unknown): string {
  const short = (error as { shortMessage?: unknown })?.shortMessage;
  return clean(typeof short === "string" ? short : error instanceof Error ? error.message : error, 300);
}
