/** A report on its way through FaultCourt: committed to, then opened, so that nobody takes it from the mempool. */
import { type Abi, type Hex, bytesToHex, encodeFunctionData } from "viem";
import { faultCommitment } from "../../../sdk/protocol/index.ts";
import { iFaultCourtAbi } from "../../../types/abi/IFaultCourt.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { kv } from "../../storage/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import type { Report } from "./evidence.ts";
import type { HeaderRow } from "./store.ts";

/** @returns Whether the report was taken; false: too early, or somebody was first. Come back while the header stands. */
export type Prosecute = (row: Pick<HeaderRow, "hash" | "header">, report: Report) => Promise<boolean>;

export function createProsecutor({ settlement, signer, journal, clock, store, name, logger }: Platform): Prosecute {
  const court = settlement.deployment.address("FaultCourt");
  const facts = kv(store);

  /** The salt is made once: the commitment must open after a restart too. */
  function saltOf(hash: Hex): Hex {
    const fact = `fault.${hash}`;
    const known = facts.get(fact) as Hex | undefined;
    const salt = known ?? bytesToHex(clock.randomBytes(32));
    if (!known) facts.set(fact, salt);
    return salt;
  }

  async function submit(method: "commit" | "prove", args: readonly unknown[], subject: string): Promise<boolean> {
    try {
      const abi = iFaultCourtAbi as unknown as Abi;
      const key = intentKey(name, settlement.chainId, court, method, subject);
      const { receipt } = await journal.submit({ key, chainId: settlement.chainId, to: court, data: encodeFunctionData({ abi, functionName: method, args }), label: `fault ${method}`, abi, again: true });
      logger.info({ method, subject, tx: receipt.transactionHash, gas: receipt.gasUsed }, `fault ${method} is on chain`);
      return true;
    } catch (error) {
      if (!isKeeperError(error) || error.family === "retryable") throw error;
      logger.warn({ method, subject, reason: messageOf(error) }, `fault ${method} was not taken`);
      return false;
    }
  }

  return async (row, { kind, evidence }) => {
    const salt = saltOf(row.hash);
    const commitment = faultCommitment(signer.address, row.hash, kind, evidence, salt);
    if (!(await submit("commit", [commitment], commitment))) return false;
    // It serves from the next block on; too early is refused, and the job comes back.
    return submit("prove", [row.header, kind, evidence, salt], row.hash);
  };
}
