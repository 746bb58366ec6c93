/**
 * The container that r1cs, wtns, ptau and zkey files share: magic, version, then numbered sections with their lengths. A section
 * may be larger than memory: it is read and written in chunks.
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

/** What reading in chunks holds at a time, in bytes. */
export const CHUNK_BYTES = 1 << 22;

/** Reads the directory of a file, not its content: proving keys are large. Every length is checked against the file. */
export function readSections(path: string, magic: string): Map<number, Section> {
  const file = openFile(path);
  try {
    const size = fstatSync(file).size;
    const head = readAt(file, path, 0, 12, size);
    const found = head.toString("latin1", 0, 4);
    if (found !== magic) throw new SetupFileError(`${path}: expected a ${magic} file, found ${JSON.stringify(found)}`);
    const count = head.readUInt32LE(8);
    const sections = new Map<number, Section>();
    let offset = 12;
    for (let i = 0; i < count; i++) {
      const header = readAt(file, path, offset, 12, size);
      const type = header.readUInt32LE(0);
      const length = Number(header.readBigUInt64LE(4));
      offset += 12;
      if (offset + length > size) throw new SetupFileError(`${path}: section ${type} runs past the end of the file, which is cut off or damaged`);
      if (sections.has(type)) throw new SetupFileError(`${path}: section ${type} appears twice`);
      sections.set(type, { type, offset, length });
      offset += length;
    }
    return sections;
  } finally {
    closeSync(file);
  }
}

export function sectionOf(path: string, sections: Map<number, Section>, type: number): Section {
  const section = sections.get(type);
  if (!section) throw new SetupFileError(`${path}: section ${type} is missing`);
  return section;
}

/** One section's bytes, in memory of its own: for what is small, or needed at once. */
export function readSection(path: string, sections: Map<number, Section>, type: number): Buffer {
  const section = sectionOf(path, sections, type);
  const file = openFile(path);
  try {
    return readAt(file, path, section.offset, section.length, section.offset + section.length);
  } finally {
    closeSync(file);
  }
}

/** Walks a section from its start and holds one chunk of it at a time. */
export interface SectionReader {
  /** The next `bytes` of the section; valid until the next call. */
  take(bytes: number): DataView;
  /** Bytes that were not taken yet. */
  readonly left: number;
  close(): void;
}

export function openSection(path: string, sections: Map<number, Section>, type: number, chunkBytes = CHUNK_BYTES): SectionReader {
  const section = sectionOf(path, sections, type);
  const file = openFile(path);
  let chunk: Buffer = Buffer.alloc(0);
  let [at, taken] = [0, 0];
  return {
    take(bytes) {
      if (taken + bytes > section.length) throw new SetupFileError(`${path}: section ${type} ends in the middle of an entry`);
      if (at + bytes > chunk.length) {
        const next = Math.min(Math.max(chunkBytes, bytes), section.length - taken);
        chunk = readAt(file, path, section.offset + taken, next, section.offset + section.length);
        at = 0;
      }
      const view = new DataView(chunk.buffer, chunk.byteOffset + at, bytes);
      at += bytes;
      taken += bytes;
      return view;
    },
    get left() {
      return section.length - taken;
    },
    close: () => closeSync(file),
  };
}

/** Several parts are written one after another. */
export function writeSections(path: string, magic: string, version: number, sections: readonly [type: number, parts: readonly Uint8Array[]][]): void {
  const writer = openWriter(path, magic, version, sections.length);
  try {
    for (const [type, parts] of sections) {
      writer.begin(type);
      for (const part of parts) writer.write(part);
      writer.end();
    }
  } finally {
    writer.close();
  }
}

/** A section's content: parts that are there, or are made while it is written. */
export type Content = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** As writeSections, for content that does not fit memory. */
export async function streamSections(path: string, magic: string, version: number, sections: readonly [type: number, content: Content][]): Promise<void> {
  const writer = openWriter(path, magic, version, sections.length);
  try {
    for (const [type, content] of sections) {
      writer.begin(type);
      for await (const part of content) writer.write(part);
      writer.end();
    }
  } finally {
    writer.close();
  }
}

/** A section's length is filled in when it ends: nothing is held to be counted. */
function openWriter(path: string, magic: string, version: number, count: number) {
  const file = openSync(path, "w");
  const head = Buffer.alloc(12);
  head.write(magic, "latin1");
  head.writeUInt32LE(version, 4);
  head.writeUInt32LE(count, 8);
  writeAll(file, head, 0);
  let start = head.length;
  let [end, current] = [start, 0];
  return {
    begin(type: number) {
      current = type;
      end = start + 12;
    },
    write(bytes: Uint8Array) {
      writeAll(file, bytes, end);
      end += bytes.length;
    },
    end() {
      const header = Buffer.alloc(12);
      header.writeUInt32LE(current, 0);
      header.writeBigUInt64LE(BigInt(end - start - 12), 4);
      writeAll(file, header, start);
      start = end;
    },
    close: () => closeSync(file),
  };
}

function openFile(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw new SetupFileError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, { cause: error });
  }
}

function readAt(file: number, path: string, offset: number, length: number, size: number): Buffer {
  const cutOff = () => new SetupFileError(`${path}: the file is cut off`);
  if (offset + length > size) throw cutOff();
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const got = readSync(file, bytes, done, Math.min(length - done, 1 << 30), offset + done);
    if (got === 0) throw cutOff();
    done += got;
  }
  return bytes;
}

/** One write call takes at most 2 GiB and may take less than it was given. */
function writeAll(file: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30), offset + done);
  }
}
