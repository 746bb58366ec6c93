/** JSON that keeps big integers: `{"$": "123"}`. */
export function toText(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? { $: item.toString() } : item));
}

export function fromText(text: string): unknown {
  return JSON.parse(text, (_key, item: unknown) =>
    item !== null && typeof item === "object" && typeof (item as { $?: unknown }).$ === "string" && Object.keys(item).length === 1 ? BigInt((item as { $: string }).$) : item,
  );
}
