export { localAccount } from "./account.ts";
export { type Secp256k1Engine, addressOf, engine, recoverKey, recoverSigner, signDigest } from "./secp256k1.ts";
export { type TypedData, typedDataDigest, typedDataHash } from "./typedData.ts";
