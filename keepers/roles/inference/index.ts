export { inferenceFields } from "./fields.ts";
export { tokenDomain } from "./paymentRoom.ts";
export { createInferenceRole, inferenceRules, type InferenceRoleOptions } from "./role.ts";
