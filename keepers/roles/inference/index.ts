export { inferenceFields } from "./fields.ts";
export { createInferenceRole, inferenceRules, type InferenceRoleOptions } from "./role.ts";
