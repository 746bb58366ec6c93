/** Sends evidence and collateral to a chain. */
import { createPublicClient, createWalletClient, http, isAddress, parseAbi, toHex } from "viem";
import type { Address } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { loadKey } from "../../../keepers/signer/index.ts";
import { collateralCalls, openQuote, splitEvidence } from "../../attestation/intel/index.ts";
import type { CollateralBundle } from "../../attestation/intel/index.ts";
import { buildNitroCall, keccakHex, toHex as hexOf } from "../../attestation/nitro/index.ts";
import type { Hex } from "../../attestation/nitro/index.ts";
import { REGISTRY_ERRORS } from "./reasons.ts";
import { UsageError } from "./read.ts";
import type { EvidenceFile } from "./read.ts";

const REGISTRY_CALLS = parseAbi([
  "struct KeyParams { uint8 keyType; bytes publicKey; uint64 nonceBlock; uint8 teeType; }",
  "function attest(bytes32 nodeId, KeyParams params, bytes evidence, bytes hints) returns (bytes32 keyId)",
  "function bindingHash(bytes32 nodeId, uint8 keyType, bytes publicKey) view returns (bytes32)",
  "function attestationNonce(address operator, uint64 nonceBlock) view returns (bytes32)",
]);
/** With every error that admission can end in. */
const REGISTRY = [...REGISTRY_CALLS, ...REGISTRY_ERRORS] as unknown as typeof REGISTRY_CALLS;
const NITRO = parseAbi([
  "struct Known { uint64 notAfter; uint64 notBefore; uint16 subject; uint16 publicKey; uint8 pathLength; uint8 role; uint32 epoch; }",
  "function records(bytes32[] chainKeys) view returns (Known[] memory)",
]);
const COLLATERAL = parseAbi([
  "function upsertCertificate(bytes der) returns (bytes32)",
  "function upsertCrl(bytes der) returns (bytes32)",
  "function upsertTcbInfo(bytes json, bytes signature, bytes32 signer)",
  "function upsertQeIdentity(bytes json, bytes signature, bytes32 signer)",
]);

export interface RegisterOptions {
  rpc: string;
  registry: string;
  node: string;
  publicKey: string;
  keyType: string;
  nonceBlock: string;
  /** The operator that the nonce was made for; the sender's address by default. */
  operator?: string;
  /** NitroVerifier, to leave out what it remembers. */
  verifier?: string;
  dryRun?: boolean;
}

type Print = (line: string) => void;

export async function register(
  file: EvidenceFile,
  root: Hex,
  options: RegisterOptions,
  env: NodeJS.ProcessEnv,
  print: Print,
): Promise<void> {
  const { client, wallet, account } = await connect(options.rpc, env, options.dryRun === true);
  const registry = addressOf(options.registry, "--registry");
  const nodeId = bytesOf(options.node, "--node", 32);
  const publicKey = bytesOf(options.publicKey, "--public-key");
  const keyType = numberOf(options.keyType, "--key-type");
  const nonceBlock = BigInt(numberOf(options.nonceBlock, "--nonce-block"));

  let call: Call;
  if (file.kind === "nitro") {
    const verifier = options.verifier === undefined ? undefined : addressOf(options.verifier, "--verifier");
    const readRecords = async (keys: readonly Hex[]) =>
      client.readContract({ address: verifier as Address, abi: NITRO, functionName: "records", args: [keys] });
    const { evidence, hints } = await buildNitroCall(file.bytes, { root, ...(verifier ? { readRecords } : {}) });
    call = { teeType: 1, evidence, hints };
  } else {
    const operator = options.operator === undefined ? account?.address : addressOf(options.operator, "--operator");
    if (operator === undefined) throw new UsageError("A quote's claims need the operator: --operator ADDRESS.");
    const view = { address: registry, abi: REGISTRY } as const;
    const binding = await client.readContract({ ...view, functionName: "bindingHash", args: [nodeId, keyType, publicKey] });
    const nonce = await client.readContract({ ...view, functionName: "attestationNonce", args: [operator, nonceBlock] });
    call = intelCall(file.bytes, { publicKey, binding, nonce });
  }
  const params = { keyType, publicKey, nonceBlock, teeType: call.teeType };
  print(`evidence ${call.evidence.length / 2 - 1} bytes, hints ${call.hints.length / 2 - 1} bytes, TEE type ${call.teeType}`);
  const args = [nodeId, params, call.evidence, call.hints] as const;
  const sender = account ?? (options.operator as Address | undefined);
  const attest = { address: registry, abi: REGISTRY, functionName: "attest", args } as const;
  await client.simulateContract({ ...attest, account: sender });
  if (wallet === undefined) return print("the registry would take it; nothing was sent (--dry-run)");
  const hash = await wallet.writeContract(attest);
  const receipt = await client.waitForTransactionReceipt({ hash });
  if (receipt.status !== "success") throw new UsageError(`The transaction ${hash} was reverted.`);
  print(`registered in ${hash}, ${receipt.gasUsed} gas`);
}

/** Brings collateral on record. What is on record already is left out. */
export async function recordCollateral(
  bundle: CollateralBundle,
  contract: string,
  rpc: string,
  env: NodeJS.ProcessEnv,
  print: Print,
): Promise<void> {
  const { client, wallet } = await connect(rpc, env, false);
  if (wallet === undefined) throw new UsageError("Sending needs a key.");
  const address = addressOf(contract, "--contract");
  for (const { functionName, args } of collateralCalls(bundle)) {
    // One of four calls, whose arguments belong to its name.
    const call = { address, abi: COLLATERAL, functionName: functionName as "upsertCrl", args: args as unknown as readonly [Hex] };
    try {
      await client.simulateContract({ ...call, account: wallet.account });
    } catch (error: unknown) {
      if (!String(error).includes(NOT_NEWER)) throw error;
      print(`${functionName}: on record already`);
      continue;
    }
    const hash = await wallet.writeContract(call);
    const { gasUsed } = await client.waitForTransactionReceipt({ hash });
    print(`${functionName}: ${gasUsed} gas in ${hash}`);
  }
}

/** Selector of IntelNotNewer(uint256,uint256,uint256,uint256). */
const NOT_NEWER = keccakHex(new TextEncoder().encode("IntelNotNewer(uint256,uint256,uint256,uint256)")).slice(0, 10);

interface Call {
  teeType: number;
  evidence: Hex;
  hints: Hex;
}

function intelCall(bytes: Uint8Array, bound: { publicKey: Hex; binding: Hex; nonce: Hex }): Call {
  const hash = (hex: Hex): Hex => keccakHex(new Uint8Array(Buffer.from(hex.slice(2), "hex")));
  const claims = { publicKeyHash: hash(bound.publicKey), userDataHash: hash(bound.binding), nonceHash: hash(bound.nonce) };
  const ready = evidenceIn(bytes);
  const { evidence, parts } = ready ?? openQuote(bytes, claims);
  return { teeType: parts.tdx ? 2 : 3, evidence: hexOf(evidence), hints: "0x" };
}

/** Evidence as a driver makes it, with its claims; nothing when the file is a whole quote. */
function evidenceIn(bytes: Uint8Array) {
  try {
    return { evidence: bytes, parts: splitEvidence(bytes) };
  } catch {
    return undefined;
  }
}

async function connect(rpc: string, env: NodeJS.ProcessEnv, dryRun: boolean) {
  const transport = http(rpc);
  const client = createPublicClient({ transport });
  if (dryRun) return { client, account: undefined, wallet: undefined };
  const chainId = await client.getChainId();
  const source = {
    keystore: env["OG_KEYSTORE"] ?? "",
    keystorePasswordFile: env["OG_KEYSTORE_PASSWORD_FILE"] ?? "",
    ...(env["OG_DEV_PRIVATE_KEY"] ? { devPrivateKey: env["OG_DEV_PRIVATE_KEY"] as Hex } : {}),
  };
  const account = privateKeyToAccount(loadKey(source, [chainId]));
  const nativeCurrency = { name: "Ether", symbol: "ETH", decimals: 18 };
  const chain = { id: chainId, name: `chain ${chainId}`, nativeCurrency, rpcUrls: { default: { http: [rpc] } } };
  return { client, account, wallet: createWalletClient({ account, chain, transport }) };
}

function addressOf(text: string, option: string): Address {
  if (!isAddress(text)) throw new UsageError(`${option}: ${text} is not an address.`);
  return text;
}

function bytesOf(text: string, option: string, length?: number): Hex {
  const hex = text.startsWith("0x") ? text : `0x${text}`;
  const right = /^0x([0-9a-fA-F]{2})+$/.test(hex) && (length === undefined || hex.length === 2 + 2 * length);
  if (!right) throw new UsageError(`${option}: ${text} is not ${length ?? "a number of"} bytes in hexadecimal.`);
  return toHex(new Uint8Array(Buffer.from(hex.slice(2), "hex")));
}

function numberOf(text: string, option: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${option}: ${text} is not a number.`);
  return Number(text);
}
