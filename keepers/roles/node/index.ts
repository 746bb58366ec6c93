export * from "./decide.ts";
export * from "./evidence.ts";
export * from "./fields.ts";
export * from "./identity.ts";
export * from "./key.ts";
export * from "./reach.ts";
export { bondToken, nodeRules } from "./registry-calls.ts";
export * from "./relays.ts";
export * from "./setup.ts";
