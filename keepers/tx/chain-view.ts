/** The journal's questions to the chain. Whatever decides about a nonce or an outcome needs two endpoints that agree. */
import { type Address, type Hex, numberToHex } from "viem";
import type { Head, RpcLog, RpcPool } from "../chain/index.ts";
import type { DoneCheck, IntentRow, TxReceipt } from "./types.ts";

interface RawReceipt {
  transactionHash: Hex;
  blockNumber: Hex;
  blockHash: Hex;
  status: Hex;
  gasUsed: Hex;
  effectiveGasPrice?: Hex;
  logs: RpcLog[];
}

export interface ChainView {
  head(): Promise<Head>;
  /** Transactions of `address` that are in blocks up to the head. */
  minedCount(address: Address, head: Head): Promise<number>;
  pendingCount(address: Address): Promise<number>;
  receipt(hash: Hex): Promise<TxReceipt | null>;
  blockHash(number: bigint): Promise<Hex | null>;
  isKnown(hash: Hex): Promise<boolean>;
  simulate(intent: IntentRow): Promise<void>;
  estimateGas(intent: IntentRow): Promise<bigint>;
  isDone(check: DoneCheck): Promise<boolean>;
}

export function chainView(pool: RpcPool): ChainView {
  const call = ({ signer, to, data, value }: IntentRow) => ({ from: signer, to, data, value: numberToHex(value) });
  return {
    head: () => pool.head(),
    minedCount: async (address, head) => Number(await pool.agree<string>("eth_getTransactionCount", [address, numberToHex(head.number)])),
    pendingCount: async (address) => Number(await pool.request<string>("eth_getTransactionCount", [address, "pending"])),
    async receipt(hash) {
      const raw = await pool.agree<RawReceipt | null>("eth_getTransactionReceipt", [hash], (result) =>
        result && [result.blockHash, result.status, result.gasUsed, result.logs.map((log) => [log.address, log.topics, log.data])],
      );
      if (!raw) return null;
      return {
        transactionHash: raw.transactionHash,
        blockNumber: BigInt(raw.blockNumber),
        blockHash: raw.blockHash,
        status: BigInt(raw.status) === 1n ? "success" : "reverted",
        gasUsed: BigInt(raw.gasUsed),
        effectiveGasPrice: BigInt(raw.effectiveGasPrice ?? "0x0"),
        logs: raw.logs,
      };
    },
    async blockHash(number) {
      const block = await pool.agree<{ hash: Hex } | null>("eth_getBlockByNumber", [numberToHex(number), false], (result) => result?.hash ?? null);
      return block?.hash ?? null;
    },
    isKnown: async (hash) => (await pool.request<unknown>("eth_getTransactionByHash", [hash])) !== null,
    simulate: async (intent) => {
      await pool.request("eth_call", [call(intent), "latest"]);
    },
    // A fifth of room: state may grow between estimate and inclusion.
    estimateGas: async (intent) => (BigInt(await pool.request<string>("eth_estimateGas", [call(intent)])) * 12n) / 10n,
    isDone: async ({ to, data, equals }) => (await pool.agree<Hex>("eth_call", [{ to, data }, "latest"])).toLowerCase() === equals.toLowerCase(),
  };
}
