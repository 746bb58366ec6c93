import canonicalize from "canonicalize";
import { type Hex, concatHex, encodeAbiParameters, keccak256, stringToHex, toBytes } from "viem";

const REQUEST_TYPEHASH = keccak256(toBytes("Request(bytes32 salt,bytes32 canonicalHash)"));
const RESPONSE_TYPEHASH = keccak256(toBytes("Response(bytes32 saltHash,uint8 kind,uint8 finish,bytes32 contentHash)"));

/** What the bytes of an answer are. */
export const ResponseKind = { Chat: 1, Tensors: 2 } as const;

/** Why an answer ended, one code for each OpenAI `finish_reason`; `Aborted` is ours: the stream was closed early. */
export const Finish = { Stop: 1, Length: 2, ToolCalls: 3, ContentFilter: 4, Aborted: 5, Error: 6 } as const;

/**
 * RFC 8785 JSON: one text for one value, whatever the order of keys or the way numbers were written.
 * @throws TypeError on NaN, infinities and values that are not JSON.
 */
export function canonicalJson(value: unknown): string {
  assertJson(value, "$");
  return canonicalize(value)!;
}

/**
 * Commitment to a request with *all* its parameters. Batches are public for ever and prompts are guessable, so the
 * salt (32 random bytes, returned with the answer) hides them from all but payer and node.
 */
export function requestHash(salt: Hex, request: unknown): Hex {
  return keccak256(
    encodeAbiParameters(
      [{ type: "bytes32" }, { type: "bytes32" }, { type: "bytes32" }],
      [REQUEST_TYPEHASH, salt, keccak256(toBytes(canonicalJson(request)))],
    ),
  );
}

/**
 * Commitment to an answer.
 * @param content Chat: canonical JSON of `{content, tool_calls?}`; tensors: canonical JSON of the outputs.
 */
export function responseHash(salt: Hex, kind: number, finish: number, content: Uint8Array | string): Hex {
  const saltHash = keccak256(concatHex([salt, stringToHex("res")]));
  return keccak256(
    encodeAbiParameters(
      [{ type: "bytes32" }, { type: "bytes32" }, { type: "uint8" }, { type: "uint8" }, { type: "bytes32" }],
      [RESPONSE_TYPEHASH, saltHash, kind, finish, keccak256(typeof content === "string" ? toBytes(content) : content)],
    ),
  );
}

/** `paymentId` of a request that nobody paid for. */
export function unpaidPaymentId(nodeId: Hex, requestId: Hex): Hex {
  return keccak256(
    encodeAbiParameters([{ type: "string" }, { type: "bytes32" }, { type: "bytes32" }], ["og.unpaid", nodeId, requestId]),
  );
}

function assertJson(value: unknown, path: string): void {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${path} is ${value}: JSON has no such number`);
  if (typeof value === "bigint" || typeof value === "function" || typeof value === "symbol" || value === undefined) {
    throw new TypeError(`${path} is a ${typeof value}: not JSON`);
  }
  if (Array.isArray(value)) value.forEach((item, index) => assertJson(item, `${path}[${index}]`));
  else if (value !== null && typeof value === "object") {
    for (const [key, item] of Object.entries(value)) if (item !== undefined) assertJson(item, `${path}.${key}`);
  }
}
