/** What a client checks of an answer before it pays for the next one. */
export * from "./output.ts";
export * from "./signatures.ts";
export * from "./verify.ts";
export * from "./wire.ts";
