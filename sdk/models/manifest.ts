import { type Hex, concat, encodeAbiParameters, keccak256, toBytes, zeroHash } from "viem";
import { canonicalJson } from "../protocol/commitments.ts";
import { type IntegerPackage, type LayersPackage, decodePackage, programHash } from "./package.ts";

/** What a version consists of, as the registry's manifestHash binds it: the tuple of ERC-7992. Zero for what a version does not have. */
export interface ModelManifest {
  /** keccak256 of graph and weights: the ONNX file, or the integer graph's text. */
  weights: Hex;
  /** keccak256 of the circuit's constraint system (model.r1cs). */
  circuit: Hex;
  /** Hash of the verifying key, as in Groth16Keys. */
  verifyingKey: Hex;
}

export function manifestHash({ weights, circuit, verifyingKey }: ModelManifest): Hex {
  return keccak256(encodeAbiParameters([{ type: "bytes32" }, { type: "bytes32" }, { type: "bytes32" }], [weights, circuit, verifyingKey]));
}

/** The manifest of a package's bytes. @throws TypeError for an `int` version whose bytes are no integer package. */
export function manifestOf(kind: "float" | "int", bytes: Uint8Array, vkHash: Hex): ModelManifest {
  if (kind === "float") return { weights: keccak256(bytes), circuit: zeroHash, verifyingKey: vkHash };
  const content = integerPackage(bytes);
  if (content.format === "og-model/layers/1") {
    return { weights: keccak256(toBytes(graphsOf(content))), circuit: keccak256(concat(content.layers.map(({ circuit }) => circuit))), verifyingKey: vkHash };
  }
  return { weights: keccak256(toBytes(content.graph)), circuit: content.circuit ?? zeroHash, verifyingKey: vkHash };
}

/** What the registry says of a version. */
export interface VersionHashes {
  kind: "float" | "int";
  programHash: Hex;
  contentHash: Hex;
  manifestHash: Hex;
  vkHash: Hex;
  /** Universal circuit whose key was folded for the version; zero for a key of its own. */
  circuitHash: Hex;
}

/** Which of the registry's hashes a package's bytes have: all, or the version is not what it says. */
export function verifyPackage(bytes: Uint8Array, version: VersionHashes): { name: "content" | "program" | "manifest" | "fold"; ok: boolean }[] {
  const same = (a: Hex, b: Hex) => a.toLowerCase() === b.toLowerCase();
  const check = (work: () => boolean): boolean => {
    try {
      return work();
    } catch {
      return false; // not even a package of this kind
    }
  };
  return [
    { name: "content", ok: same(keccak256(bytes), version.contentHash) },
    { name: "program", ok: check(() => same(programOf(version.kind, bytes), version.programHash)) },
    // A universal program under a key that nobody folded: its prover chooses the weights.
    { name: "fold", ok: check(() => !same(version.circuitHash, zeroHash) || same(version.vkHash, zeroHash) || !isUniversal(version.kind, bytes)) },
    { name: "manifest", ok: check(() => same(manifestHash(manifestOf(version.kind, bytes, version.vkHash)), version.manifestHash)) },
  ];
}

function programOf(kind: "float" | "int", bytes: Uint8Array): Hex {
  if (kind === "float") return programHash("float", bytes);
  return integerProgramHash(integerPackage(bytes));
}

/** Whether the program's weights are inputs of its circuit. */
function isUniversal(kind: "float" | "int", bytes: Uint8Array): boolean {
  if (kind === "float") return false;
  const content = integerPackage(bytes);
  const graphs = content.format === "og-model/layers/1" ? content.layers.map(({ graph }) => graph) : [content.graph];
  return graphs.some((graph) => ((JSON.parse(graph) as { weights?: unknown[] }).weights ?? []).length > 0);
}

/** programHash of an integer package's content. */
export function integerProgramHash(content: IntegerPackage | LayersPackage): Hex {
  if (content.format === "og-model/integer/1") return programHash("int", content.graph, JSON.parse(canonicalJson(content.public)));
  return programHash("int", graphsOf(content), JSON.parse(canonicalJson(content.layers.map((layer) => layer.public))));
}

const graphsOf = ({ layers }: LayersPackage): string => canonicalJson(layers.map(({ graph }) => graph));

function integerPackage(bytes: Uint8Array): IntegerPackage | LayersPackage {
  const content = decodePackage(bytes);
  if (content.format !== "og-model/integer/1" && content.format !== "og-model/layers/1") throw new TypeError(`An int version needs an integer package, not "${content.format}".`);
  return content;
}
