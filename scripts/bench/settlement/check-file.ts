/**
 * Checks one batch file as the full node does, in a process of its own, and prints what it took:
 * `node check-file.ts FILE HEADER.json [WARM_FILE WARM_HEADER.json]` -> `{seconds, cpuSeconds, peakRss}`.
 * The second batch is checked before, unmeasured: threads started, code compiled, heaps at their working size.
 */
import { createReadStream, readFileSync } from "node:fs";
import { fromText } from "../../../keepers/roles/full/text.ts";
import { createVerifyPool } from "../../../keepers/roles/full/verify-pool.ts";
import { verifyBatch } from "../../../sdk/batch/index.ts";
import { type BatchHeader, KeyType } from "../../../sdk/protocol/index.ts";
import { domain, signer } from "./batch-file.ts";

const pool = createVerifyPool(2);

async function check(file: string, headerFile: string): Promise<void> {
  const header = fromText(readFileSync(headerFile, "utf8")) as BatchHeader;
  let session: ReturnType<typeof pool.open> | null = null;
  const report = await verifyBatch({
    header, source: createReadStream(file), recordsPerChunk: 2_048, parallel: pool.size * 2,
    checker: (preamble) => (session = pool.open({ domain, preamble, key: { keyType: KeyType.Secp256k1, signer } })).check,
  });
  (session as { close(): void } | null)?.close();
  if (!report.ok) throw new Error(`the benchmark's own batch is faulty: ${JSON.stringify(report.fault)}`);
}

const [file, header, warm, warmHeader] = process.argv.slice(2);
if (warm) await check(warm, warmHeader!);
let peakRss = 0;
const look = () => (peakRss = Math.max(peakRss, process.memoryUsage.rss()));
const watch = setInterval(look, 20);
const started = performance.now();
const cpu = process.cpuUsage();
await check(file!, header!);
look();
clearInterval(watch);
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6, peakRss }));
process.exit(0);
