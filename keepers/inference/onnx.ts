/**
 * Runs ONNX models for requests from outside: checked inputs, bounded time, bounded queue, and in processes of their own.
 *
 *   const onnx = onnxInference();
 *   const { model, inputs, outputs } = await onnx.load(bytes);
 *   const answer = await onnx.run(model, { features: { shape: [1, 20], data: [...] } });
 */
import type { Hex } from "viem";
import { keccak256 } from "viem";

import type { KeeperError } from "../errors/index.ts";
import { fatal, isKeeperError, retryable } from "../errors/index.ts";
import type { Runtime } from "./child.ts";
import { startRuntime } from "./child.ts";
import { inspectModel } from "./inspect.ts";
import type { ModelFacts } from "./inspect.ts";
import type { FromRuntime, RawDescription } from "./protocol.ts";
import { checkInputs, isTensorType, toResponse } from "./tensors.ts";
import type { RequestTensor, ResponseTensor, TensorDescription } from "./tensors.ts";

export interface OnnxModel extends ModelFacts {
  /** keccak-256 of the file: the content hash that the registry holds. */
  readonly model: Hex;
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
}

export type RequestTensors = Readonly<Record<string, RequestTensor>>;

export interface OnnxInference {
  /** Inspects and loads a model. Loading the same bytes again gives the same answer. */
  load(bytes: Uint8Array): Promise<OnnxModel>;
  run(model: Hex, inputs: RequestTensors, options?: { timeoutMs?: number }): Promise<Record<string, ResponseTensor>>;
  /** What is loaded. */
  models(): readonly OnnxModel[];
  /** Forgets a model; a process lets go of it when it next has work. */
  unload(model: Hex): void;
  close(): Promise<void>;
}

export interface OnnxOptions {
  /** Runs at the same time, each in a process of its own. */
  readonly concurrency?: number;
  readonly maxQueue?: number;
  readonly runTimeoutMs?: number;
  readonly loadTimeoutMs?: number;
  readonly maxModelBytes?: number;
  readonly maxElements?: number;
  /** For tests: what is run in the process. */
  readonly runtimeFile?: string;
}

interface Loaded {
  readonly about: OnnxModel;
  readonly bytes: Uint8Array;
}

/** A process and what it has loaded. */
interface Seat {
  runtime?: Runtime;
  readonly models: Set<Hex>;
}

export function onnxInference(options: OnnxOptions = {}): OnnxInference {
  const { concurrency = 1, maxQueue = 64, runTimeoutMs = 10_000, loadTimeoutMs = 30_000 } = options;
  const { maxModelBytes = 64 * 1024 * 1024, maxElements = 1_000_000 } = options;
  const loaded = new Map<Hex, Loaded>();
  const free: Seat[] = Array.from({ length: concurrency }, () => ({ models: new Set() }));
  const seats = [...free];
  const queue: { resolve: (seat: Seat) => void; reject: (error: unknown) => void }[] = [];
  let closed = false;

  async function withSeat<T>(work: (seat: Seat) => Promise<T>): Promise<T> {
    if (closed) throw fatal("onnx.closed", "Inference was closed.");
    const ready = free.pop();
    if (!ready && queue.length >= maxQueue) {
      throw retryable("onnx.overloaded", `${queue.length} runs wait already.`, { waiting: queue.length });
    }
    const seat = ready ?? (await new Promise<Seat>((resolve, reject) => queue.push({ resolve, reject })));
    try {
      await dropForgotten(seat);
      return await work(seat);
    } finally {
      const next = queue.shift();
      if (next) next.resolve(seat);
      else free.push(seat);
    }
  }

  /** The seat's process, a fresh one if the last was killed or crashed. */
  function runtimeOf(seat: Seat): Runtime {
    if (!seat.runtime?.alive) {
      seat.models.clear();
      seat.runtime = startRuntime(options.runtimeFile);
    }
    return seat.runtime;
  }

  async function dropForgotten(seat: Seat): Promise<void> {
    for (const model of [...seat.models]) {
      if (loaded.has(model)) continue;
      seat.models.delete(model);
      if (seat.runtime?.alive) await seat.runtime.ask({ kind: "drop", model }, loadTimeoutMs);
    }
  }

  async function loadInto(seat: Seat, model: Hex, bytes: Uint8Array): Promise<FromRuntime> {
    const answer = await runtimeOf(seat).ask({ kind: "load", model, bytes }, loadTimeoutMs);
    if ("error" in answer) throw loadError(answer.error);
    seat.models.add(model);
    return answer;
  }

  return {
    async load(bytes) {
      if (bytes.length > maxModelBytes) {
        throw fatal("onnx.too_large", `The model has ${bytes.length} bytes; at most ${maxModelBytes} are taken.`, { maxModelBytes });
      }
      const model = keccak256(bytes);
      const known = loaded.get(model);
      if (known) return known.about;
      const facts = inspectModel(bytes);
      const own = Uint8Array.from(bytes); // the caller's buffer may change under us
      const answer = await withSeat((seat) => loadInto(seat, model, own));
      if (!("loaded" in answer)) throw fatal("onnx.protocol", "The runtime process answered out of turn.");
      const about = { ...facts, model, inputs: served(answer.loaded.inputs), outputs: served(answer.loaded.outputs) };
      loaded.set(model, { about, bytes: own });
      return about;
    },

    async run(model, inputs, { timeoutMs = runTimeoutMs } = {}) {
      const found = loaded.get(model);
      if (!found) throw fatal("onnx.unknown_model", "This model is not loaded here.", { model });
      const tensors = checkInputs(found.about.inputs, inputs, maxElements);
      const answer = await withSeat(async (seat) => {
        const runtime = runtimeOf(seat);
        if (!seat.models.has(model)) await loadInto(seat, model, found.bytes);
        return runtime.ask({ kind: "run", model, inputs: tensors }, timeoutMs);
      });
      if ("error" in answer) throw fatal("onnx.run_failed", `The model could not be run on these inputs: ${answer.error}`, { model });
      if (!("outputs" in answer)) throw fatal("onnx.protocol", "The runtime process answered out of turn.");
      return Object.fromEntries(answer.outputs.map((tensor) => [tensor.name, toResponse(tensor)]));
    },

    models: () => [...loaded.values()].map((entry) => entry.about),

    unload(model) {
      loaded.delete(model);
    },

    async close() {
      closed = true;
      const error = fatal("onnx.closed", "Inference was closed.");
      for (const waiting of queue.splice(0)) waiting.reject(error);
      await Promise.all(seats.map((seat) => seat.runtime?.kill()));
    },
  };
}

function served(descriptions: readonly RawDescription[]): TensorDescription[] {
  return descriptions.map(({ name, type, shape }) => {
    if (!isTensorType(type)) throw fatal("onnx.unsupported_type", `"${name}" is of type ${type}, which is not served.`, { name, type });
    return { name, type, shape };
  });
}

/** Finds the operator's name in the runtime's several ways of saying that it does not know one. */
function loadError(text: string): KeeperError {
  const patterns = [
    /([\w.:]+)\(-?\d+\) is not a registered function\/op/,
    /No Op registered for ([\w.:]+)/,
    /implementation for ([\w.:]+)\(/,
  ];
  for (const pattern of patterns) {
    const operator = pattern.exec(text)?.[1]?.replace(/^(:|ai\.onnx[.:]+)+/, "");
    if (operator) return fatal("onnx.unknown_operator", `The operator ${operator} is not known to the runtime.`, { operator, text });
  }
  return fatal("onnx.bad_model", `The runtime refuses the model: ${text.slice(0, 300)}`, { text: text.slice(0, 1000) });
}

const REQUEST_FAULTS = [
  ...["bad_inputs", "unknown_input", "missing_input", "bad_tensor"],
  ...["dtype_mismatch", "shape_mismatch", "bad_value", "too_large"],
];
const MODEL_FAULTS = [
  ...["run_failed", "output_not_finite", "unknown_operator", "random_operator"],
  ...["external_data", "bad_model", "unsupported_type"],
];

/** Whose fault an error of this component is: the request's, the model's or this node's. For a gateway's status code. */
export function faultOf(error: unknown): "request" | "model" | "node" {
  const name = isKeeperError(error) ? error.code.replace(/^onnx\./, "") : "";
  return REQUEST_FAULTS.includes(name) ? "request" : MODEL_FAULTS.includes(name) ? "model" : "node";
}
