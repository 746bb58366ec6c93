/**
 * The embedded language model server as a process.
 *
 *   node keepers/bin/upstream.ts [--host 127.0.0.1] [--port 11434]
 *
 * Prints one JSON line with its URL when it listens; ends cleanly on SIGTERM and SIGINT.
 */
import { parseArgs } from "node:util";

import { startUpstream, trainLanguageModel } from "../upstream/index.ts";

const { values } = parseArgs({ options: { host: { type: "string", default: "127.0.0.1" }, port: { type: "string", default: "0" } } });
const port = Number(values.port);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(`--port must be a port number, not ${JSON.stringify(values.port)}.`);
  process.exit(2);
}

const model = trainLanguageModel();
const server = await startUpstream({
  model,
  host: values.host,
  port,
  clock: { now: () => Date.now() },
  onError: (error) => console.error(JSON.stringify({ level: "error", msg: String(error) })),
});
console.log(JSON.stringify({ level: "info", msg: "upstream listens", url: server.url, model: model.name, hash: model.hash }));

let stopping = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    void server.close().then(() => process.exit(0));
  });
}
