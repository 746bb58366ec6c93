import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made: string[] = [];

/** A folder of the test's own below the system's temporary one, `<name>-<something new>`. It goes when the run ends, whether or not the test passed. */
export function tempFolder(name: string): string {
  if (made.length === 0) process.once("exit", () => made.forEach((folder) => rmSync(folder, { recursive: true, force: true })));
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  made.push(folder);
  return folder;
}
