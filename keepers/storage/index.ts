export * from "./kv.ts";
export * from "./sqlite.ts";
