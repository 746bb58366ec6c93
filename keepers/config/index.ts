export * from "./addresses.ts";
export * from "./devnets.ts";
export * from "./fields.ts";
export * as parse from "./parse.ts";
export * from "./table.ts";
