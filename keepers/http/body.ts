import { fatal } from "../errors/index.ts";

/**
 * A request's JSON, read no further than `limit` bytes.
 * @throws `http.too_large`, `http.not_json`
 */
export async function readJson(request: Request, limit = 1024 * 1024): Promise<unknown> {
  if (Number(request.headers.get("content-length") ?? 0) > limit) throw fatal("http.too_large", `The body is larger than ${limit} bytes.`, { limit });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (request.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > limit) throw fatal("http.too_large", `The body is larger than ${limit} bytes.`, { limit });
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch {
    throw fatal("http.not_json", "The body is not JSON.");
  }
}

/** JSON with integers of any size as decimal strings. */
export function jsonResponse(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  const text = JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
  return new Response(text, { status, headers: { "content-type": "application/json", ...headers } });
}
