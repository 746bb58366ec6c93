import { type Hex, bytesToHex, hexToBytes } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { signDigest } from "./secp256k1.ts";
import { type TypedData, typedDataDigest } from "./typedData.ts";

/** viem's account of a private key, with digests and typed data signed by this machine's fastest engine: the same bytes, sooner. */
export function localAccount(privateKey: Hex): PrivateKeyAccount {
  const key = hexToBytes(privateKey);
  const sign = async (digest: Uint8Array): Promise<Hex> => bytesToHex(signDigest(digest, key));
  return {
    ...privateKeyToAccount(privateKey),
    sign: ({ hash }) => sign(hexToBytes(hash)),
    signTypedData: (data) => sign(typedDataDigest(data as unknown as TypedData)),
  };
}
