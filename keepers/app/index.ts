export * from "./health.ts";
export * from "./platform.ts";
export * from "./run.ts";
