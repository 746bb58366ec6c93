/**
 * The container that r1cs, wtns, ptau and zkey files share: magic, version, then numbered sections with their lengths.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";

export class SetupFileError extends Error {
  override name = "SetupFileError";
}

export interface Section {
  type: number;
  offset: number;
  length: number;
}

/** Reads the directory of a file, not its content: proving keys are large. Every length is checked against the file. */
export function readSections(path: string, magic: string): Map<number, Section> {
  const file = openSync(path, "r");
  try {
    const size = fstatSync(file).size;
    const head = readAt(file, 0, 12, size);
    const found = head.toString("latin1", 0, 4);
    if (found !== magic) throw new SetupFileError(`${path}: expected a ${magic} file, found ${JSON.stringify(found)}`);
    const count = head.readUInt32LE(8);
    const sections = new Map<number, Section>();
    let offset = 12;
    for (let i = 0; i < count; i++) {
      const header = readAt(file, offset, 12, size);
      const type = header.readUInt32LE(0);
      const length = Number(header.readBigUInt64LE(4));
      offset += 12;
      if (offset + length > size) throw new SetupFileError(`${path}: section ${type} runs past the end of the file`);
      if (sections.has(type)) throw new SetupFileError(`${path}: section ${type} appears twice`);
      sections.set(type, { type, offset, length });
      offset += length;
    }
    return sections;
  } finally {
    closeSync(file);
  }
}

/** One section's bytes, in memory of its own. */
export function readSection(path: string, sections: Map<number, Section>, type: number): Buffer {
  const section = sections.get(type);
  if (!section) throw new SetupFileError(`${path}: section ${type} is missing`);
  const file = openSync(path, "r");
  try {
    return readAt(file, section.offset, section.length, section.offset + section.length);
  } finally {
    closeSync(file);
  }
}


export function writeSections(path: string, magic: string, version: number, sections: readonly [type: number, parts: Uint8Array[]][]): void {
  const file = openSync(path, "w");
  try {
    const head = Buffer.alloc(12);
    head.write(magic, "latin1");
    head.writeUInt32LE(version, 4);
    head.writeUInt32LE(sections.length, 8);
    writeAll(file, head);
    for (const [type, parts] of sections) {
      const header = Buffer.alloc(12);
      header.writeUInt32LE(type, 0);
      header.writeBigUInt64LE(BigInt(parts.reduce((sum, part) => sum + part.length, 0)), 4);
      writeAll(file, header);
      for (const part of parts) writeAll(file, part);
    }
  } finally {
    closeSync(file);
  }
}

function readAt(file: number, offset: number, length: number, size: number): Buffer {
  if (offset + length > size) throw new SetupFileError("file is cut off");
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const got = readSync(file, bytes, done, length - done, offset + done);
    if (got === 0) throw new SetupFileError("file is cut off");
    done += got;
  }
  return bytes;
}

/** One write call takes at most 2 GiB and may take less than it was given. */
function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30));
  }
}
