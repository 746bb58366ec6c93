import { type Hex, encodeAbiParameters, keccak256, stringToBytes, toBytes } from "viem";
import { canonicalJson } from "../protocol/commitments.ts";

/**
 * What lies on Walrus for a model version. A float model is its ONNX file; an `int` program and a served language model are
 * JSON packages, so that a client can repeat what the proof is about, or see what answers.
 */
export type ModelPackage = IntegerPackage | LayersPackage | UpstreamPackage;

/** An `int` program: the canonical integer graph, the order and packing of public inputs, the verifying key. */
export interface IntegerPackage {
  format: "og-model/integer/1";
  /** Text of graph.json; its hash is the program. */
  graph: string;
  /** Content of public.json. */
  public: unknown;
  /** Content of verifying-key.json. */
  verifyingKey: unknown;
  /** keccak256 of model.r1cs: what the key was made for. */
  circuit?: Hex;
}

/** An `int` program in several circuits, each of which commits to what it hands to the next. */
export interface LayersPackage {
  format: "og-model/layers/1";
  /** In order: what an integer package has, of each. */
  layers: Required<Omit<IntegerPackage, "format">>[];
}

/** A model behind an OpenAI-compatible upstream: what the publisher says of it. */
export interface UpstreamPackage {
  format: "og-model/upstream/1";
  /** Name at the upstream. */
  model: string;
  /** keccak256 of the weights, where the upstream is the publisher's own. */
  weightsHash?: Hex;
  description: string;
}

/** Bytes of a package: canonical JSON, so that one content has one hash. */
export function encodePackage(content: ModelPackage): Uint8Array {
  return stringToBytes(canonicalJson(content));
}

/** @throws TypeError when the bytes are no package of a known format. */
export function decodePackage(bytes: Uint8Array): ModelPackage {
  let content: { format?: unknown };
  try {
    content = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as { format?: unknown };
  } catch {
    throw new TypeError("The blob is not a model package: it is not JSON.");
  }
  if (content.format !== "og-model/integer/1" && content.format !== "og-model/layers/1" && content.format !== "og-model/upstream/1") {
    throw new TypeError(`The blob is not a model package of a known format: "${String(content.format)}".`);
  }
  return content as ModelPackage;
}

/**
 * programHash = keccak256(kind, keccak256(graph and weights), keccak256(pre- and post-processing)).
 * An ONNX file holds graph and weights in one; an integer program's processing is its public.json (quantiser and packing). Of a chain of
 * layers both are lists, as canonical JSON.
 */
export function programHash(kind: "float" | "int", graphAndWeights: Uint8Array | string, processing: unknown = null): Hex {
  const graph = typeof graphAndWeights === "string" ? toBytes(graphAndWeights) : graphAndWeights;
  return keccak256(
    encodeAbiParameters(
      [{ type: "string" }, { type: "bytes32" }, { type: "bytes32" }],
      [`og.program.${kind}`, keccak256(graph), keccak256(toBytes(canonicalJson(processing)))],
    ),
  );
}
