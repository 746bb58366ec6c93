/** A scripted chain in memory: mempool, blocks, reorganisations, and endpoints that misbehave on a seed. */
import { type Address, type Hex, keccak256, numberToHex, parseTransaction, recoverTransactionAddress, toHex } from "viem";
import { RpcAnswerError, type RpcEndpoint, type RpcLog } from "../../../keepers/chain/index.ts";
import type { Clock } from "../../../keepers/clock/index.ts";
import { retryable } from "../../../keepers/errors/index.ts";

interface Tx {
  hash: Hex;
  from: Address;
  to: Address;
  data: Hex;
  nonce: number;
  maxFee: bigint;
  tip: bigint;
}

interface Block {
  number: number;
  hash: Hex;
  timestamp: number;
  txs: Tx[];
}

export interface Faults {
  /** No answer at all. */
  down?: () => boolean;
  /** Share of calls that time out, before or after the node acted on them. */
  timeout?: number;
  serverError?: number;
  /** Share of calls answered from a state that is this many blocks old. */
  stale?: number;
  /** Share of receipts that are withheld. */
  missingReceipts?: number;
  /** Words used when refusing a transaction. */
  dialect?: "geth" | "nethermind" | "reth" | "hardhat";
}

const WORDS = {
  geth: { known: "already known", low: "nonce too low: next nonce 5, tx nonce 4", under: "replacement transaction underpriced", funds: "insufficient funds for gas * price + value" },
  nethermind: { known: "AlreadyKnown", low: "OldNonce", under: "ReplacementNotAllowed", funds: "InsufficientFunds" },
  reth: { known: "already known", low: "nonce too low: next nonce 5, tx nonce 4", under: "replacement transaction underpriced", funds: "insufficient funds" },
  hardhat: { known: "Known transaction: 0xab", low: "Nonce too low. Expected nonce to be 3 but got 1.", under: "Replacement transaction underpriced.", funds: "Sender doesn't have enough funds to send tx." },
} as const;

export interface FakeChain {
  readonly chainId: number;
  blocks: Block[];
  pool: Map<Hex, Tx>;
  baseFee: bigint;
  /** Every call that took effect on the canonical chain, self transfers excluded. */
  effects(): { data: Hex; hash: Hex }[];
  /** What a call reverts with, by its data; null: it passes. */
  reverts: (data: Hex) => Hex | null;
  /** Decides whether a mined transaction's status is 0. */
  mineReverts: (data: Hex) => boolean;
  mine(count?: number, seconds?: number): void;
  /** Replaces the last `depth` blocks by as many empty ones and one more; their transactions go back to the pool or are lost. */
  reorg(depth: number, lose?: boolean): void;
  /** A transaction from elsewhere with somebody's key takes a nonce. */
  foreign(from: Address): void;
  endpoint(name: string, clock: Clock, faults?: Faults): RpcEndpoint;
  /** Mines a block on every accepted transaction, like a Hardhat node. */
  automine: boolean;
  /** Blocks stay empty. */
  hold: boolean;
  funded: boolean;
}

export function fakeChain(chainId = 31337): FakeChain {
  let salt = 0;
  const hashOf = (number: number, branch: number) => keccak256(toHex(`${chainId}/${number}/${branch}`));
  const genesis: Block = { number: 0, hash: hashOf(0, 0), timestamp: 1_700_000_000, txs: [] };

  const chain: FakeChain = {
    chainId, blocks: [genesis], pool: new Map(), baseFee: 1_000_000_000n, automine: false, hold: false, funded: true,
    reverts: () => null,
    mineReverts: () => false,
    effects: () => chain.blocks.flatMap(({ txs }) => txs).filter((tx) => tx.to.toLowerCase() !== tx.from.toLowerCase() && !chain.mineReverts(tx.data)),
    mine(count = 1, seconds = 2) {
      for (let i = 0; i < count; i++) append(pick(), seconds);
    },
    reorg(depth, lose = false) {
      const gone = chain.blocks.splice(Math.max(1, chain.blocks.length - depth));
      salt++;
      if (!lose) for (const tx of gone.flatMap(({ txs }) => txs)) chain.pool.set(tx.hash, tx);
      for (let i = 0; i <= gone.length; i++) append([], 2);
    },
    foreign(from) {
      append([{ hash: keccak256(toHex(`foreign ${salt++}`)), from, to: from, data: "0x", nonce: count(from, chain.blocks), maxFee: 0n, tip: 0n }], 2);
    },
    endpoint: (name, clock, faults = {}) => ({
      name,
      async call(method, params) {
        const chance = () => clock.random();
        if (faults.down?.()) throw retryable("chain.endpoint", "connection refused");
        const acts = method === "eth_sendRawTransaction";
        if (chance() < (faults.serverError ?? 0)) throw retryable("chain.endpoint", "HTTP 503");
        if (chance() < (faults.timeout ?? 0)) {
          // The cruel one: the node took it, and the answer got lost.
          if (acts && chance() < 0.5) await answer(method, params, faults, chain.blocks).catch(() => {});
          throw retryable("chain.timeout", "timeout");
        }
        if (method === "eth_getTransactionReceipt" && chance() < (faults.missingReceipts ?? 0)) return null;
        const view = !acts && chance() < (faults.stale ?? 0) ? chain.blocks.slice(0, Math.max(1, chain.blocks.length - 3)) : chain.blocks;
        return answer(method, params, faults, view);
      },
    }),
  };

  function append(txs: Tx[], seconds: number): void {
    const parent = chain.blocks.at(-1)!;
    chain.blocks.push({ number: parent.number + 1, hash: hashOf(parent.number + 1, salt), timestamp: parent.timestamp + seconds, txs });
    for (const tx of txs) chain.pool.delete(tx.hash);
    for (const tx of [...chain.pool.values()]) if (tx.nonce < count(tx.from, chain.blocks)) chain.pool.delete(tx.hash);
  }

  function pick(): Tx[] {
    const next = new Map<Address, number>();
    const chosen: Tx[] = [];
    if (chain.hold) return chosen;
    for (const tx of [...chain.pool.values()].sort((a, b) => a.nonce - b.nonce)) {
      const nonce = next.get(tx.from) ?? count(tx.from, chain.blocks);
      if (tx.nonce !== nonce || tx.maxFee < chain.baseFee) continue;
      chosen.push(tx);
      next.set(tx.from, nonce + 1);
    }
    return chosen;
  }

  function count(address: string, blocks: Block[]): number {
    return blocks.flatMap(({ txs }) => txs).filter(({ from }) => from.toLowerCase() === address.toLowerCase()).length;
  }

  async function answer(method: string, params: readonly unknown[], faults: Faults, blocks: Block[]): Promise<unknown> {
    const words = WORDS[faults.dialect ?? "geth"];
    const head = blocks.at(-1)!;
    const at = (tag: unknown) => (tag === "latest" || tag === "pending" ? head : blocks[Number(tag)]);
    switch (method) {
      case "eth_chainId": return numberToHex(chainId);
      case "eth_maxPriorityFeePerGas": return numberToHex(1_000_000_000n);
      case "eth_getBlockByNumber": {
        const block = at(params[0]);
        return block ? { number: numberToHex(block.number), hash: block.hash, timestamp: numberToHex(block.timestamp), baseFeePerGas: numberToHex(chain.baseFee) } : null;
      }
      case "eth_getTransactionCount": {
        const address = String(params[0]);
        const mined = count(address, params[1] === "latest" || params[1] === "pending" ? blocks : blocks.slice(0, Number(params[1]) + 1));
        if (params[1] !== "pending") return numberToHex(mined);
        return numberToHex(mined + [...chain.pool.values()].filter(({ from }) => from.toLowerCase() === address.toLowerCase()).length);
      }
      case "eth_getTransactionByHash": {
        const hash = params[0] as Hex;
        return chain.pool.has(hash) || blocks.some(({ txs }) => txs.some((tx) => tx.hash === hash)) ? { hash } : null;
      }
      case "eth_getTransactionReceipt": {
        for (const block of blocks) {
          const tx = block.txs.find(({ hash }) => hash === params[0]);
          if (tx) {
            const ok = !chain.mineReverts(tx.data);
            return { transactionHash: tx.hash, blockNumber: numberToHex(block.number), blockHash: block.hash, status: ok ? "0x1" : "0x0", gasUsed: "0x5208", effectiveGasPrice: numberToHex(chain.baseFee), logs: ok ? [logOf(tx, block)] : [] };
          }
        }
        return null;
      }
      case "eth_getLogs": {
        const { fromBlock, toBlock } = params[0] as { fromBlock: Hex; toBlock: Hex };
        return blocks.filter(({ number }) => number >= Number(fromBlock) && number <= Number(toBlock)).flatMap((block) => block.txs.map((tx) => logOf(tx, block)));
      }
      case "eth_call":
      case "eth_estimateGas": {
        const { data } = params[0] as { data: Hex };
        // "0xd0e5" + call data asks whether that call has taken effect.
        if (data.startsWith("0xd0e5")) return numberToHex(chain.effects().some((effect) => effect.data === `0x${data.slice(6)}`) ? 1 : 0, { size: 32 });
        const revert = chain.reverts(data);
        if (revert) throw new RpcAnswerError(3, "execution reverted", revert);
        return method === "eth_call" ? "0x" : numberToHex(50_000);
      }
      case "eth_sendRawTransaction": return send(params[0] as Hex, words);
      default: throw new RpcAnswerError(-32601, `the method ${method} does not exist`);
    }
  }

  async function send(raw: Hex, words: (typeof WORDS)[keyof typeof WORDS]): Promise<Hex> {
    const hash = keccak256(raw);
    const parsed = parseTransaction(raw as `0x02${string}`);
    const from = await recoverTransactionAddress({ serializedTransaction: raw as `0x02${string}` });
    const tx: Tx = { hash, from, to: parsed.to!, data: parsed.data ?? "0x", nonce: parsed.nonce ?? 0, maxFee: parsed.maxFeePerGas!, tip: parsed.maxPriorityFeePerGas ?? 0n };
    if (!chain.funded) throw new RpcAnswerError(-32000, words.funds);
    if (chain.pool.has(hash)) throw new RpcAnswerError(-32000, words.known);
    if (tx.nonce < count(from, chain.blocks)) throw new RpcAnswerError(-32000, words.low);
    const rival = [...chain.pool.values()].find((other) => other.from === from && other.nonce === tx.nonce);
    if (rival && (tx.maxFee * 10n < rival.maxFee * 11n || tx.tip * 10n < rival.tip * 11n)) throw new RpcAnswerError(-32000, words.under);
    if (rival) chain.pool.delete(rival.hash);
    chain.pool.set(hash, tx);
    if (chain.automine) chain.mine();
    return hash;
  }

  function logOf(tx: Tx, block: Block): RpcLog {
    return {
      address: tx.to, topics: [keccak256(tx.data)], data: tx.data, blockNumber: numberToHex(block.number), blockHash: block.hash,
      transactionHash: tx.hash, logIndex: numberToHex(block.txs.indexOf(tx)), transactionIndex: numberToHex(block.txs.indexOf(tx)),
    };
  }

  return chain;
}
