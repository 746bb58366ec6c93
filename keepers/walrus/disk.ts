/**
 * Blobs in a directory: `<id>.blob` holds the bytes, `<id>.json` what the network would say of them. The second is written
 * after the first, each by fsync and rename, so a blob is either whole or absent, whenever the power fails.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { join } from "node:path";

import { fatal } from "../errors/index.ts";

export interface BlobRecord {
  readonly blobId: string;
  readonly sha256: string;
  readonly size: number;
  readonly objectId: string;
  readonly startEpoch: number;
  readonly endEpoch: number;
  readonly deletable: boolean;
}

export interface BlobDisk {
  /** By content, to spare the encoder; undefined when this content is not here. */
  findContent(sha256: string): BlobRecord | undefined;
  find(blobId: string): BlobRecord | undefined;
  write(record: BlobRecord, bytes: Uint8Array): Promise<void>;
  read(blobId: string): Promise<Uint8Array>;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export async function blobDisk(directory: string): Promise<BlobDisk> {
  await mkdir(directory, { recursive: true });
  const records = new Map<string, BlobRecord>();
  const byContent = new Map<string, string>();
  const remember = (record: BlobRecord): void => {
    records.set(record.blobId, record);
    byContent.set(record.sha256, record.blobId);
  };

  for (const name of await readdir(directory)) {
    // A temporary file is a write that was cut off: its caller never heard "stored".
    if (name.endsWith(".tmp")) await unlink(join(directory, name));
    else if (name.endsWith(".json")) remember(JSON.parse(await readFile(join(directory, name), "utf8")) as BlobRecord);
  }

  let counter = 0;
  async function place(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(directory, name);
    const temporary = `${path}.${process.pid}.${counter++}.tmp`;
    const file = await open(temporary, "w");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    const folder = await open(directory, "r");
    try {
      await folder.sync(); // the name is durable only when the directory is
    } finally {
      await folder.close();
    }
  }

  return {
    findContent: (hash) => records.get(byContent.get(hash) ?? ""),
    find: (blobId) => records.get(blobId),
    async write(record, bytes) {
      if (!records.has(record.blobId)) await place(`${record.blobId}.blob`, bytes);
      await place(`${record.blobId}.json`, Buffer.from(JSON.stringify(record)));
      remember(record);
    },
    async read(blobId) {
      const record = records.get(blobId);
      if (!record) throw fatal("walrus.not_found", "The store does not have the blob.", { blobId });
      const bytes = new Uint8Array(await readFile(join(directory, `${blobId}.blob`)));
      if (sha256(bytes) !== record.sha256) throw fatal("walrus.damaged", "The stored bytes are no longer the blob's.", { blobId });
      return bytes;
    },
  };
}
