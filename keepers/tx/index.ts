export * from "./journal.ts";
export * from "./key.ts";
export type { JournalHook } from "./lane.ts";
export * from "./types.ts";
