export { generatorTable } from "./generator.ts";
export { encodeSignatures, InvalidSignature, MAX_BATCH, proveBatch, proveSingle, type Signature } from "./prove.ts";
