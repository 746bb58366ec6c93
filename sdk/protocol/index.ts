/** The protocol's shapes: hashing, trees and commitments, the same bytes as contracts/types and contracts/libraries. */
export * from "./answers.ts";
export * from "./batch.ts";
export * from "./commitments.ts";
export * from "./committee.ts";
export * from "./domain.ts";
export * from "./enums.ts";
export * from "./faults.ts";
export * from "./feed.ts";
export * from "./proofRequests.ts";
export * from "./receipt.ts";
export * from "./run.ts";
export * from "./run-encoding.ts";
export * from "./statements.ts";
export * from "./terms.ts";
export * from "./tree.ts";
