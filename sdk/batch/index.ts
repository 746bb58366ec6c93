export * from "./decode.ts";
export * from "./encode.ts";
export { BATCH_FORMAT, BatchFormatError, FIRST_FORMAT, type Preamble } from "./format.ts";
export * from "./open.ts";
export { readReceipt, readStretch, recordLength, type SignedLeaf, writeReceipt } from "./records.ts";
export * from "./signatures.ts";
export * from "./tree.ts";
export * from "./verify.ts";
export * from "./terms.ts";
