export { fromWire, toWire } from "./blobId.ts";
export { walrusClient } from "./client.ts";
export type { ReadOptions, StoredBlob, WalrusClient, WalrusOptions } from "./client.ts";
export { blobIds } from "./encoder.ts";
export type { BlobIds, BlobIdsOptions } from "./encoder.ts";
export { startWalrusServer } from "./server.ts";
export type { WalrusServer, WalrusServerOptions } from "./server.ts";
export { blobRenewal } from "./renewal.ts";
export type { BlobRenewal, RenewalOptions } from "./renewal.ts";
