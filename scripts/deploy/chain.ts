/** What a deploy script needs of a chain: sending with one account, and, on devnets, placing code. */
import { existsSync, globSync, readFileSync } from "node:fs";
import {
  type Abi,
  type Account,
  type Address,
  type Chain,
  type Hex,
  type PublicClient,
  type Transport,
  createPublicClient,
  createWalletClient,
  getAddress,
} from "viem";
import { DEVNET_CHAIN_IDS } from "../../keepers/config/devnets.ts";

export interface DeployChain {
  readonly chainId: number;
  /** One of our own, by its id: code may be placed, windows are short. */
  readonly isDevnet: boolean;
  readonly deployer: Address;
  readonly client: PublicClient;
  deploy(abi: Abi, bytecode: Hex, args: readonly unknown[]): Promise<Address>;
  write(address: Address, abi: Abi, functionName: string, args: readonly unknown[]): Promise<Hex>;
  read(address: Address, abi: Abi, functionName: string, args?: readonly unknown[]): Promise<unknown>;
  hasCode(address: Address): Promise<boolean>;
  codeAt(address: Address): Promise<Hex>;
  /** Devnets only. */
  setCode(address: Address, code: Hex): Promise<void>;
}

export function deployChain(options: { chain: Chain; transport: Transport; account: Account }): DeployChain {
  const { chain, account } = options;
  const client = createPublicClient({ chain, transport: options.transport, pollingInterval: 50 });
  const wallet = createWalletClient({ chain, transport: options.transport, account });
  const mined = async (hash: Hex) => {
    const receipt = await client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`transaction ${hash} reverted`);
    return receipt;
  };
  const codeAt = async (address: Address) => (await client.getCode({ address })) ?? "0x";
  const isDevnet = DEVNET_CHAIN_IDS.has(chain.id);
  return {
    chainId: chain.id,
    isDevnet,
    deployer: account.address,
    client,
    async deploy(abi, bytecode, args) {
      const { contractAddress } = await mined(await wallet.deployContract({ abi, bytecode, args } as never));
      if (!contractAddress) throw new Error("a deployment left no address");
      return getAddress(contractAddress);
    },
    async write(address, abi, functionName, args) {
      const { transactionHash } = await mined(await wallet.writeContract({ address, abi, functionName, args } as never));
      return transactionHash;
    },
    read: (address, abi, functionName, args = []) => client.readContract({ address, abi, functionName, args }),
    hasCode: async (address) => (await codeAt(address)) !== "0x",
    codeAt,
    async setCode(address, code) {
      if (!isDevnet) throw new Error(`code is placed on devnets only, not on chain ${chain.id}`);
      await client.request({ method: "hardhat_setCode" as never, params: [address, code] as never });
    },
  };
}

interface Artifact {
  abi: Abi;
  bytecode: Hex;
}

/** The compiler's output for a contract of this repository (or an npm contract that is built beside it). */
export function artifact(name: string): Artifact {
  const file = globSync(`artifacts/**/${name}.json`)[0];
  if (!file || !existsSync(file)) throw new Error(`no artifact of ${name}: run \`npm run build\` first`);
  return JSON.parse(readFileSync(file, "utf8")) as Artifact;
}
