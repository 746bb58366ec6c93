/**
 * The process that holds ONNX Runtime sessions, one run at a time. The runtime works synchronously in native code: only a
 * process of its own can be stopped when a run takes too long, and only a process of its own can crash alone.
 */
import onnxruntime from "onnxruntime-node";

import { dieWithParent } from "../jobs/orphan.ts";
import type { FromRuntime, RawDescription, ToRuntime } from "./protocol.ts";
import type { RuntimeTensor, TensorType } from "./tensors.ts";

type Session = onnxruntime.InferenceSession;

/**
 * One thread and no processor-specific layouts: the same bits from the same inputs, run after run.
 */
const SESSION: onnxruntime.InferenceSession.SessionOptions = {
  executionProviders: ["cpu"],
  executionMode: "sequential",
  graphOptimizationLevel: "basic",
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  enableCpuMemArena: false,
  logSeverityLevel: 4,
};

/** A small model can make a large answer (Expand, Tile); it must not fill the keeper's memory. */
const MAX_OUTPUT_ELEMENTS = 4_000_000;

const sessions = new Map<string, Session>();

function describe(metadata: readonly onnxruntime.InferenceSession.ValueMetadata[]): RawDescription[] {
  return metadata.map((m) => ({ name: m.name, type: m.isTensor ? m.type : "not a tensor", shape: m.isTensor ? [...m.shape] : [] }));
}

async function handle(message: ToRuntime): Promise<FromRuntime> {
  const { id, model } = message;
  if (message.kind === "drop") {
    await sessions.get(model)?.release();
    sessions.delete(model);
    return { id, done: true };
  }
  if (message.kind === "load") {
    const session = await onnxruntime.InferenceSession.create(Uint8Array.from(message.bytes), SESSION);
    sessions.set(model, session);
    return { id, loaded: { inputs: describe(session.inputMetadata), outputs: describe(session.outputMetadata) } };
  }
  const session = sessions.get(model);
  if (!session) throw new Error("the model was not loaded");
  const feeds: Record<string, onnxruntime.Tensor> = {};
  for (const { name, type, shape, data } of message.inputs) {
    feeds[name] = new onnxruntime.Tensor(type as "float32", data as Float32Array, shape);
  }
  const results = await session.run(feeds);
  const elements = session.outputNames.reduce((sum, name) => sum + (results[name]?.size ?? 0), 0);
  if (elements > MAX_OUTPUT_ELEMENTS) throw new Error(`the outputs have ${elements} values; at most ${MAX_OUTPUT_ELEMENTS} are returned`);
  const outputs = session.outputNames.map((name): RuntimeTensor => {
    const { type, dims, data } = results[name]!;
    return { name, type: type as TensorType, shape: [...dims], data: data as RuntimeTensor["data"] };
  });
  return { id, outputs };
}

let turn = Promise.resolve();
process.on("message", (message: ToRuntime) => {
  turn = turn.then(async () => {
    const answer = await handle(message).catch((error: unknown): FromRuntime => {
      return { id: message.id, error: error instanceof Error ? error.message : String(error) };
    });
    process.send?.(answer);
  });
});
process.on("disconnect", () => process.exit(0));

// A run in native code sees no "disconnect".
dieWithParent();
