/** Buying inference: find a node, pay, verify. */
export * from "./client.ts";
export * from "./session.ts";
export type { StreamedChat } from "./stream.ts";
