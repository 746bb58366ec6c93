/**
 * From an ONNX file to rows: import -> trace (folding, shape specialisation, common subexpressions) -> fold sums -> quantise (seams, pieces,
 * intervals, error) -> integer graph -> Circom -> r1cs. See docs/zkml.md.
 */
export { compileModel, type CompiledModel, type TensorInfo } from "./compile.ts";
export type { CompileOptions } from "./options.ts";
export { CompileError, InputError, InvalidModelError, UnsupportedError, BudgetError } from "./errors.ts";
export { decodeOutput, evaluateInteger, inputOfWords, quantizeInput, runInteger, type DecodedOutput, type Inputs } from "./io.ts";
export { withExternalData } from "./import/external.ts";
export { calculateWitness, type Witness } from "./witness.ts";
export { foldedKey, foldedWords, WEIGHT_LANES, type WeightOptions, type WeightTensor } from "./weights.ts";
export { certificateJson, loadModel, programOf, readWeights, weightsJson, publicJson, writeArtifacts, type LoadedModel, type Program } from "./artifacts.ts";
export { wtnsBytes } from "./emit/wtns.ts";
export { readR1cs, readSym, violatedRow } from "./emit/r1cs.ts";
export { parseGraph, graphHash } from "./integer/canonical.ts";
export type { IntGraph, Lane } from "./integer/finish.ts";
export type { ErrorStatement } from "./error.ts";
export { gateModel, gateInput, runGate, type GateReport } from "./gate/index.ts";
export { calculateChain, calculateLayer, compileChain, enteringLayer, type ChainLayer, type ChainModel } from "./chain/chain.ts";
export { chainSalts, isChain, joinChainProof, loadChain, readChain, writeChain, type ChainFile, type LoadedLayer } from "./chain/folder.ts";
