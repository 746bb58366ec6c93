export * from "./group.ts";
export * from "./kv.ts";
export * from "./sqlite.ts";
