/** Buying inference: find a node, pay, verify. */
export * from "./client.ts";
export * from "./session.ts";
export type { StreamedChat } from "./stream.ts";
export { RecourseError } from "./recourse.ts";
export type { TensorInput, TensorOutputs } from "../models/tensors.ts";
