/** A keeper's proving room as a process of its own, for being killed: `node room.ts <configuration as JSON>`. Says what each pass came to; ends when idle, if told to. */
import type { Hex } from "viem";

import { loadModel } from "../../../circuits/compiler/index.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { systemClock } from "../../../keepers/clock/index.ts";
import { createJobs } from "../../../keepers/jobs/index.ts";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { createMetrics } from "../../../keepers/metrics/index.ts";
import { nativeProver, wasmProver } from "../../../keepers/proving/provers.ts";
import type { Platform } from "../../../keepers/roles/platform.ts";
import { inferenceLedger } from "../../../keepers/roles/inference/ledger.ts";
import { provingRoom } from "../../../keepers/roles/inference/provingRoom.ts";
import { openStore } from "../../../keepers/storage/index.ts";

export interface RoomConfiguration {
  database: string;
  /** Folder of the circuit, with its key. */
  circuit: string;
  modelId: Hex;
  /** proofContext of the only receipt, decimal. */
  context: string;
  scratch: string;
  prover: "wasm" | "native";
  limits: { timeoutMs: number; memoryMb: number };
  /** How much later than the machine's its clock is, in milliseconds: a lease that ran out. */
  laterMs: number;
}

async function run(text: string): Promise<void> {
  const { database, circuit, modelId, context, scratch, prover, limits, laterMs } = JSON.parse(text) as RoomConfiguration;
  const clock = { ...systemClock(), now: () => Date.now() + laterMs };
  const store = openStore(database);
  const metrics = createMetrics();
  const platform = { store, clock, metrics, logger: silentLogger, jobs: createJobs({ clock, logger: silentLogger, metrics }) } as unknown as Platform;
  const zkey = `${circuit}/proving.zkey`;
  const room = provingRoom(platform, {
    ledger: inferenceLedger(store), scratch, limits, prover: prover === "native" ? nativeProver()! : wasmProver(),
    models: new Map([[modelId, { model: await loadModel(circuit), zkey, key: readVerifyingKey(zkey) }]]),
    context: () => Promise.resolve(BigInt(context)),
  });
  process.stdout.write("open\n");
  const worked = await room.pass(new AbortController().signal);
  process.stdout.write(`${JSON.stringify({ worked, ...room.counts() })}\n`);
  store.close();
  process.exit(0);
}

// The test runner loads every file below test/: only a process of its own runs.
if (import.meta.main) await run(process.argv[2]!);
