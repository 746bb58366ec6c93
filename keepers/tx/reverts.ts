import { type Abi, type AbiItem, type Hex, decodeErrorResult, isHex, toFunctionSelector } from "viem";
import { RpcAnswerError } from "../chain/index.ts";
import { messageOf } from "../errors/index.ts";

export interface Revert {
  /** Name of the contract's error, "Error" for a plain reason, null where no ABI knows it. */
  name: string | null;
  args: readonly unknown[];
  data: Hex;
  text: string;
}

/** Reads the contract's own words out of a node's answer. */
export interface RevertReader {
  /** Null when the error is not the contract's no: a timeout, a missing block. */
  read(error: unknown): Revert | null;
  learn(abi: Abi): void;
}

export function createRevertReader(): RevertReader {
  const errors = new Map<Hex, AbiItem>();
  return {
    learn(abi) {
      for (const item of abi) if (item.type === "error") errors.set(toFunctionSelector(signature(item)), item);
    },
    read(error) {
      if (!(error instanceof RpcAnswerError)) return null;
      const data = hexOf(error.data);
      const words = messageOf(error);
      if (data === null && error.code !== 3 && !/revert/i.test(words)) return null;
      const item = data ? errors.get(data.slice(0, 10) as Hex) : undefined;
      try {
        // Error(string) and Panic(uint256) need no ABI.
        const decoded = data && data.length >= 10 ? decodeErrorResult({ abi: item ? [item] : [], data }) : null;
        if (decoded) {
          const args = (decoded.args ?? []) as readonly unknown[];
          return { name: decoded.errorName, args, data: data!, text: `${decoded.errorName}(${args.map(String).join(", ")})` };
        }
      } catch {
        // Unknown selector: shown as it is.
      }
      return { name: null, args: [], data: data ?? "0x", text: data && data !== "0x" ? `${words} (${data.slice(0, 74)})` : words };
    },
  };
}

function signature(item: Extract<AbiItem, { type: "error" }>): string {
  const typeOf = (input: { type: string; components?: readonly unknown[] }): string =>
    input.type.startsWith("tuple")
      ? `(${(input.components as { type: string }[]).map(typeOf).join(",")})${input.type.slice(5)}`
      : input.type;
  return `${item.name}(${item.inputs.map((input) => typeOf(input as { type: string })).join(",")})`;
}

/** Nodes put the bytes into `data`, `data.data` or `data.result`. */
function hexOf(data: unknown): Hex | null {
  if (isHex(data)) return data;
  if (data !== null && typeof data === "object") {
    const inner = data as { data?: unknown; result?: unknown };
    return hexOf(inner.data ?? inner.result ?? null);
  }
  return null;
}
