/** Runs the Walrus encoder away from the event loop: one blob takes more than a second whatever its size. */
import { parentPort } from "node:worker_threads";

import { BlobEncoder } from "@mysten/walrus-wasm";

/** Mainnet and Testnet have 1000 shards; the id depends on it. */
const SHARDS = 1000;

parentPort?.on("message", ({ id, bytes }: { id: number; bytes: Uint8Array }) => {
  try {
    const encoder = new BlobEncoder(SHARDS);
    try {
      const [blobId] = encoder.compute_metadata(bytes) as [number[]];
      parentPort?.postMessage({ id, blobId: Uint8Array.from(blobId) });
    } finally {
      encoder.free();
    }
  } catch (error: unknown) {
    parentPort?.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
