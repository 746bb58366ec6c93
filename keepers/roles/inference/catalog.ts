import type { Hex } from "viem";
import { Verification } from "../../../sdk/protocol/index.ts";
import type { RequestTensors, ResponseTensor } from "../../inference/index.ts";
import { GatewayError } from "./errors.ts";

/** Runs one tensor model. */
export interface TensorRunner {
  /** Upper bound of (input, output) elements, for the ceiling. */
  readonly maxUnits: { input: bigint; output: bigint };
  /** @throws KeeperError `onnx.*` for inputs that do not fit. */
  run(inputs: RequestTensors, signal: AbortSignal): Promise<TensorAnswer>;
  /** The same asked and answered in the public inputs of a proof; absent where there are none. @throws KeeperError `integer.*`. */
  runWords?(words: readonly bigint[]): Promise<WordAnswer>;
}

export interface TensorAnswer {
  outputs: Record<string, ResponseTensor>;
  units: { input: bigint; output: bigint };
  /** What a proof of this answer needs; kept with the receipt until it is proved. */
  witness?: unknown;
}

export interface WordAnswer extends Omit<TensorAnswer, "outputs"> {
  words: bigint[];
}

/** One model version that this node serves. */
export interface ServedModel {
  /** What requests name, e.g. "credit-score". */
  name: string;
  modelId: Hex;
  /** `chat` goes to the upstream; `tensor` runs here. */
  kind: "chat" | "tensor";
  /** `ProgramKind` of the version. */
  programKind: number;
  /** `Verification` methods that the version offers. */
  methods: readonly number[];
  /** Name of the model at the upstream. */
  upstreamModel?: string;
  runner?: TensorRunner;
  royaltyTo: Hex;
  royaltyBps: number;
  /** Most output tokens of one answer. */
  maxOutputTokens: number;
}

export interface Catalog {
  all(): readonly ServedModel[];
  /** @throws GatewayError UNKNOWN_MODEL, UNSUPPORTED_VERIFICATION or BAD_REQUEST when the route does not fit. */
  find(name: string, verification: number, kind: ServedModel["kind"]): ServedModel;
}

const METHOD_NAMES = new Map(Object.entries(Verification).map(([name, value]) => [value as number, name]));

/**
 * Two versions may share a name (a float model and its integer form): the one that offers the wanted verification answers.
 * A request may also name a modelId.
 */
export function catalog(models: readonly ServedModel[]): Catalog {
  return {
    all: () => models,
    find(name, verification, kind) {
      const named = models.filter((model) => model.name === name || model.modelId === name);
      if (named.length === 0) {
        throw new GatewayError(404, "UNKNOWN_MODEL", `This node does not serve "${name}"; it serves ${[...new Set(models.map((model) => model.name))].join(", ")}.`);
      }
      const fitting = named.find((model) => model.methods.includes(verification));
      if (!fitting) {
        const offered = [...new Set(named.flatMap((model) => model.methods))].map((method) => METHOD_NAMES.get(method)).join(", ");
        throw new GatewayError(422, "UNSUPPORTED_VERIFICATION", `"${name}" offers ${offered}, not ${METHOD_NAMES.get(verification)}.`, { offered });
      }
      if (fitting.kind !== kind) {
        const route = fitting.kind === "chat" ? "/v1/chat/completions" : "/v1/infer";
        throw new GatewayError(400, "BAD_REQUEST", `"${name}" is served at ${route}.`);
      }
      return fitting;
    },
  };
}
