import { readFileSync } from "node:fs";
import { type Abi, type Address, type Hex, keccak256, toFunctionSelector } from "viem";
import { localAccount } from "../../sdk/crypto/index.ts";
import { isDevnet } from "../config/devnets.ts";
import { fatal, messageOf } from "../errors/index.ts";
import { decryptKeystore } from "./keystore.ts";
import { assertAllowed, type Policy, type PolicyRule, type UnsignedTransaction } from "./policy.ts";

export * from "./keystore.ts";
export * from "./policy.ts";

export interface SignedTransaction {
  raw: Hex;
  hash: Hex;
}

/** The operator's hot key behind its policy. A remote signer implements the same three members. */
export interface Signer {
  readonly address: Address;
  signTransaction(tx: UnsignedTransaction): Promise<SignedTransaction>;
  /** Signs 32 bytes as they are; for typed data of the protocol. */
  signDigest(digest: Hex): Promise<Hex>;
}

export function localSigner(privateKey: Hex, policy: Policy): Signer {
  const account = localAccount(privateKey);
  return {
    address: account.address,
    async signTransaction(tx) {
      assertAllowed(policy, account.address, tx);
      const raw = await account.signTransaction({ ...tx, type: "eip1559" });
      return { raw, hash: keccak256(raw) };
    },
    signDigest: (digest) => account.sign({ hash: digest }),
  };
}

export interface KeySource {
  keystore: string;
  keystorePasswordFile: string;
  devPrivateKey?: Hex;
}

/**
 * The operator's key as the configuration gives it.
 * @throws `signer.raw_key_refused` when a raw key meets a chain that is not a devnet, `signer.missing` when there is none.
 */
export function loadKey(source: KeySource, chainIds: readonly number[]): Hex {
  if (source.keystore) {
    if (!source.keystorePasswordFile) throw fatal("signer.missing", "A keystore needs OG_KEYSTORE_PASSWORD_FILE.");
    return decryptKeystore(read(source.keystore), read(source.keystorePasswordFile).replace(/\r?\n$/, ""));
  }
  if (!source.devPrivateKey) throw fatal("signer.missing", "No operator key: set OG_KEYSTORE and OG_KEYSTORE_PASSWORD_FILE.");
  const publicChain = chainIds.find((chainId) => !isDevnet(chainId));
  if (publicChain !== undefined) {
    throw fatal("signer.raw_key_refused", `OG_DEV_PRIVATE_KEY is only for devnets; chain ${publicChain} is none. Use a keystore.`, { chainId: publicChain });
  }
  return source.devPrivateKey;
}

/** Rules for methods of one contract, by name. @throws `signer.rule` on a name that the ABI lacks. */
export function rulesFor(chainId: number, to: Address, abi: Abi, methods: readonly string[], limits: Pick<PolicyRule, "maxValue" | "maxFee"> = {}): PolicyRule[] {
  return methods.flatMap((name) => {
    const items = abi.filter((item) => item.type === "function" && item.name === name);
    if (items.length === 0) throw fatal("signer.rule", `The ABI has no function ${name}.`, { name });
    return items.map((item) => ({ chainId, to, name, selector: toFunctionSelector(item as never), ...limits }));
  });
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw fatal("signer.missing", `${file} cannot be read: ${messageOf(error)}`, { file });
  }
}
