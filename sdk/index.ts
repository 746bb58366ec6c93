export * from "./client/index.ts";
export * from "./models/program.ts";
export * from "./network/index.ts";
export * from "./protocol/index.ts";
export * from "./receipts/index.ts";
export * from "./transport/pinnedFetch.ts";
export * from "./transport/spki.ts";
