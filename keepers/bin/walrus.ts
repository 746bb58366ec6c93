/**
 * The embedded blob store as a process.
 *
 *   node keepers/bin/walrus.ts --directory .devnet/walrus [--host 127.0.0.1] [--port 31415] [--epoch-seconds 86400]
 *
 * Prints one JSON line with its URL when it listens; ends cleanly on SIGTERM and SIGINT.
 */
import { parseArgs } from "node:util";

import { blobIds, startWalrusServer } from "../walrus/index.ts";

const { values } = parseArgs({
  options: {
    directory: { type: "string" },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "0" },
    "epoch-seconds": { type: "string", default: "86400" },
  },
});

function positive(name: string, text: string, allowZero = false): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < (allowZero ? 0 : 1)) {
    console.error(`--${name} must be a whole number, not ${JSON.stringify(text)}.`);
    process.exit(2);
  }
  return value;
}

if (!values.directory) {
  console.error("--directory is missing: where shall the blobs be kept?");
  process.exit(2);
}

const ids = blobIds();
const server = await startWalrusServer({
  directory: values.directory,
  host: values.host,
  port: positive("port", values.port, true),
  epochSeconds: positive("epoch-seconds", values["epoch-seconds"]),
  blobIds: ids,
  clock: { now: () => Date.now() },
  onError: (error) => console.error(JSON.stringify({ level: "error", msg: String(error) })),
});
console.log(JSON.stringify({ level: "info", msg: "blob store listens", url: server.url, directory: values.directory }));

let stopping = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    void server
      .close()
      .then(() => ids.close())
      .then(() => process.exit(0));
  });
}
