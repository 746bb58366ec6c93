/** Reads and writes of the registry that a node makes about itself. */
import { type Abi, type Address, type Hex, encodeFunctionData, erc20Abi } from "viem";
import { KeyType } from "../../../sdk/protocol/index.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import type { PolicyRule } from "../../signer/index.ts";
import { rulesFor } from "../../signer/index.ts";
import type { Deployment } from "../../config/index.ts";
import { intentKey, type TxReceipt } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";

type Method = "register" | "attest" | "setEndpoint" | "heartbeat";

/** What a node's hot key may do about itself. */
export function nodeRules(deployment: Deployment): PolicyRule[] {
  const registry = deployment.address("NodeRegistry");
  const rules = rulesFor(deployment.chainId, registry, iNodeRegistryAbi as unknown as Abi, ["register", "attest", "setEndpoint", "heartbeat", "heartbeats"]);
  const token = bondToken(deployment);
  return token ? [...rules, ...rulesFor(deployment.chainId, token, erc20Abi as unknown as Abi, ["approve"])] : rules;
}

/** The token that bonds are put down in. */
export function bondToken(deployment: Deployment): Address | null {
  const name = ["BondToken", "OGToken", "StakeToken"].find((candidate) => deployment.has(candidate));
  return name ? deployment.address(name) : null;
}

export function registryCalls({ settlement, signer, journal, name }: Platform, address: Address) {
  const { client, chainId, deployment } = settlement;
  const contract = { address, abi: iNodeRegistryAbi } as const;

  async function send(method: Method, args: readonly unknown[], subject: string, deadline?: bigint): Promise<TxReceipt> {
    const data = encodeFunctionData({ abi: iNodeRegistryAbi as unknown as Abi, functionName: method, args });
    const { receipt } = await journal.submit({
      key: intentKey(name, chainId, address, method, subject), chainId, to: address, data, label: method, abi: iNodeRegistryAbi as unknown as Abi, again: true, deadline,
    });
    return receipt;
  }

  return {
    send,
    params: () => client.readContract({ ...contract, functionName: "params" }),
    node: (nodeId: Hex) => client.readContract({ ...contract, functionName: "node", args: [nodeId] }),
    key: (keyId: Hex) => client.readContract({ ...contract, functionName: "key", args: [keyId] }),
    minBond: (role: number) => client.readContract({ ...contract, functionName: "minBond", args: [role] }),
    bindingHash: (nodeId: Hex, publicKey: Hex) => client.readContract({ ...contract, functionName: "bindingHash", args: [nodeId, KeyType.Secp256k1, publicKey] }),
    attestationNonce: (operator: Address, block: bigint) => client.readContract({ ...contract, functionName: "attestationNonce", args: [operator, block] }),
    async nodesOf(operator: Address): Promise<Hex[]> {
      const count = await client.readContract({ ...contract, functionName: "nodeCount", args: [operator] });
      return Promise.all(
        Array.from({ length: Number(count) }, (_, n) => client.readContract({ ...contract, functionName: "nodeIdOf", args: [operator, BigInt(n)] })),
      );
    },
    /** Lets the registry take the bond; once per registration. */
    async approveBond(amount: bigint, n: bigint): Promise<void> {
      const token = bondToken(deployment);
      if (!token) return;
      const allowance = await client.readContract({ address: token, abi: erc20Abi, functionName: "allowance", args: [signer.address, address] });
      if (allowance >= amount) return;
      const data = encodeFunctionData({ abi: erc20Abi, functionName: "approve", args: [address, amount] });
      await journal.submit({ key: intentKey(name, chainId, token, "approve", `${address}:${n}:${amount}`), chainId, to: token, data, label: "approve bond", again: true });
    },
  };
}
