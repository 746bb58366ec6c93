/** What the chains say: nodes, keys, models. */
export * from "./disputes.ts";
export * from "./models.ts";
export * from "./network.ts";
export * from "./nodes.ts";
export * from "./proofs.ts";
