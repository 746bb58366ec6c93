import { existsSync, readFileSync } from "node:fs";

/** A case of Wycheproof, with r and s parsed; undefined where a strict parser already refuses the encoding. */
export interface Case {
  id: string;
  valid: boolean;
  x: bigint;
  y: bigint;
  message: Buffer;
  r: bigint | undefined;
  s: bigint | undefined;
}

interface File {
  testGroups: {
    publicKey: { wx: string; wy: string };
    tests: { tcId: number; comment: string; msg: string; sig: string; result: string }[];
  }[];
}

const FOLDER = "../shared/vectors/wycheproof";

/** SEQUENCE of two non-negative INTEGERs in minimal DER, nothing behind: what X.509 signatures are. */
function parseDer(der: Buffer): { r: bigint; s: bigint } | undefined {
  let at = 0;
  const length = (): number => {
    const first = der[at++];
    if (first === undefined || first === 0x80) return NaN;
    if (first < 0x80) return first;
    if (first !== 0x81 || (der[at] ?? 0) < 0x80) return NaN;
    return der[at++]!;
  };
  const integer = (): bigint | undefined => {
    if (der[at++] !== 0x02) return undefined;
    const size = length();
    if (!(size > 0) || at + size > der.length) return undefined;
    const body = der.subarray(at, (at += size));
    if (body[0]! & 0x80 || (body.length > 1 && body[0] === 0 && !(body[1]! & 0x80))) return undefined;
    return BigInt(`0x${body.toString("hex")}`);
  };
  if (der[at++] !== 0x30 || length() !== der.length - at) return undefined;
  const r = integer();
  const s = r === undefined ? undefined : integer();
  return r === undefined || s === undefined || at !== der.length ? undefined : { r, s };
}

function parseRaw(raw: Buffer, size: number): { r: bigint; s: bigint } | undefined {
  if (raw.length !== 2 * size) return undefined;
  const [r, s] = [raw.subarray(0, size), raw.subarray(size)].map((half) => BigInt(`0x${half.toString("hex")}`));
  return { r: r!, s: s! };
}

/** All cases of a file, or undefined when the vectors are not here. */
export function loadWycheproof(name: string, size: number): Case[] | undefined {
  const path = `${FOLDER}/${name}.json`;
  if (!existsSync(path)) return undefined;
  const file = JSON.parse(readFileSync(path, "utf8")) as File;
  return file.testGroups.flatMap(({ publicKey, tests }) =>
    tests.map(({ tcId, comment, msg, sig, result }) => {
      const bytes = Buffer.from(sig, "hex");
      const parsed = name.includes("p1363") ? parseRaw(bytes, size) : parseDer(bytes);
      return {
        id: `${tcId} ${comment}`,
        valid: result === "valid",
        x: BigInt(`0x${publicKey.wx}`),
        y: BigInt(`0x${publicKey.wy}`),
        message: Buffer.from(msg, "hex"),
        r: parsed?.r,
        s: parsed?.s,
      };
    }),
  );
}
