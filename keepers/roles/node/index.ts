export * from "./decide.ts";
export * from "./evidence.ts";
export * from "./fields.ts";
export * from "./identity.ts";
export * from "./key.ts";
export { bondToken, nodeRules } from "./registry-calls.ts";
export * from "./setup.ts";
