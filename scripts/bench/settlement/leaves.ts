/** How fast a full node checks leaves, and how its memory grows with the batch. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { toText } from "../../../keepers/roles/full/text.ts";
import { writeBatch } from "./batch-file.ts";

interface Measured {
  seconds: number;
  cpuSeconds: number;
  peakRss: number;
}

const SMALL = 1_000;
const WARM = 40_000;
const TIMED = 100_000;

/** @param large Leaves of the large batch; the asked figure is for 10^6. */
export async function leafFigures(print: (line: string) => void, large = 1_000_000): Promise<Record<string, number>> {
  const dir = mkdtempSync(join(tmpdir(), "og-bench-"));
  const paths = (count: number) => [join(dir, `${count}.bin`), join(dir, `${count}.json`)] as const;
  async function measure(count: number): Promise<Measured> {
    // A process for each: what one batch leaves behind in memory must not stand in another's figure.
    const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, "check-file.ts"), ...paths(count), ...paths(WARM)], { env: { ...process.env, NODE_NO_WARNINGS: "1" } });
    return JSON.parse(stdout) as Measured;
  }
  try {
    for (const count of new Set([SMALL, WARM, TIMED, large])) {
      const [file, header] = paths(count);
      writeFileSync(header, toText(await writeBatch(file, count)));
    }
    const small = await measure(SMALL);
    const timed = await measure(TIMED);
    print(`  ${TIMED.toLocaleString("en")} leaves in ${timed.seconds.toFixed(1)} s, ${Math.round((timed.cpuSeconds / TIMED) * 1e6)} µs of processor time each`);
    const long = await measure(large);
    print(`  ${large.toLocaleString("en")} leaves in ${long.seconds.toFixed(1)} s, ${Math.round(long.peakRss / 2 ** 20)} MiB against ${Math.round(small.peakRss / 2 ** 20)} MiB for ${SMALL.toLocaleString("en")}`);
    return { "leaves-per-second": Math.round(TIMED / timed.seconds), "leaf-cpu-us": Math.round((timed.cpuSeconds / TIMED) * 1e6), "memory-1e6-over-1e3": Number((long.peakRss / small.peakRss).toFixed(2)) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
