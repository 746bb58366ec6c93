/** Proves the faults that this node found: commits to the report, then opens it, so that nobody takes it from the mempool. */
import { createReadStream, existsSync } from "node:fs";
import { type Abi, type Hex, bytesToHex, encodeFunctionData } from "viem";
import { openLeaves } from "../../../sdk/batch/index.ts";
import { faultCommitment, type ProtocolDomain } from "../../../sdk/protocol/index.ts";
import { iFaultCourtAbi } from "../../../types/abi/IFaultCourt.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { kv } from "../../storage/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import { candidates, openRows, type Opener, overlapEvidence, type Report } from "./evidence.ts";
import type { Preimages } from "./preimages.ts";
import type { FullStore, HeaderRow } from "./store.ts";

export interface Accuser {
  step(): Promise<void>;
}

export interface AccuserDeps {
  platform: Platform;
  store: FullStore;
  domain: ProtocolDomain;
  preimages: Preimages;
  blobPath: (hash: Hex) => string;
}

export function createAccuser({ platform, store, domain, preimages, blobPath }: AccuserDeps): Accuser {
  const { settlement, signer, journal, clock } = platform;
  const logger = platform.logger.child({ part: "accuse" });
  if (!settlement.deployment.has("FaultCourt")) return { step: async () => {} };
  const court = settlement.deployment.address("FaultCourt");
  const contract = { address: court, abi: iFaultCourtAbi } as const;
  const facts = kv(platform.store);
  const hopeless = new Set<Hex>();

  /** The report that the court takes, or null. */
  async function reportOf(row: HeaderRow): Promise<Report | null> {
    const fault = store.check(row.hash)?.fault;
    if (!fault) return null;
    const overlap = store.overlapOf(row);
    const other = overlap && store.header(overlap.other);
    const reports = overlap && other ? [overlapEvidence(store.stretches(row.hash), other, store.stretches(overlap.other), overlap)] : await candidates(fault, row.header, openerOf(row));
    for (const report of reports) {
      if (await settlement.client.readContract({ ...contract, functionName: "check", args: [row.header, report.kind, report.evidence] }).catch(() => false)) return report;
    }
    return null;
  }

  /** Opens leaves from the mirrored blob, or, for a header whose receipts stood in a call, from the ledger. */
  function openerOf(row: HeaderRow): Opener {
    return async (wanted) => {
      const path = blobPath(row.hash);
      const opened = existsSync(path) ? await openLeaves(createReadStream(path), domain, wanted) : openRows(store.allLeaves(row.hash), store.stretches(row.hash), wanted, domain);
      const book = opened.book ?? (await preimages.of(row.header.nodeId, [...new Set(opened.leaves.map(({ receipt }) => receipt.termsHash))]));
      return { ...opened, book };
    };
  }

  /** The salt is made once: the commitment must open after a restart too. */
  function saltOf(hash: Hex): Hex {
    const name = `fault.${hash}`;
    const known = facts.get(name) as Hex | undefined;
    const salt = known ?? bytesToHex(clock.randomBytes(32));
    if (!known) facts.set(name, salt);
    return salt;
  }

  async function submit(method: "commit" | "prove", args: readonly unknown[], subject: string): Promise<boolean> {
    try {
      const abi = iFaultCourtAbi as unknown as Abi;
      const key = intentKey(platform.name, settlement.chainId, court, method, subject);
      const { receipt } = await journal.submit({ key, chainId: settlement.chainId, to: court, data: encodeFunctionData({ abi, functionName: method, args }), label: `fault ${method}`, abi, again: true });
      logger.info({ method, subject, tx: receipt.transactionHash, gas: receipt.gasUsed }, `fault ${method} is on chain`);
      return true;
    } catch (error) {
      if (!isKeeperError(error) || error.family === "retryable") throw error;
      logger.warn({ method, subject, reason: messageOf(error) }, `fault ${method} was not taken`);
      return false;
    }
  }

  async function accuse(row: HeaderRow): Promise<void> {
    const report = await reportOf(row);
    if (!report) {
      // Roots that the data does not lead to: only a demand for the data decides those.
      logger.error({ header: row.hash, fault: store.check(row.hash)?.fault }, "faulty batch that no opening proves: ask for its leaves");
      return void hopeless.add(row.hash);
    }
    const salt = saltOf(row.hash);
    const commitment = faultCommitment(signer.address, row.hash, report.kind, report.evidence, salt);
    if (!(await submit("commit", [commitment], commitment))) return;
    // It serves from the next block on; too early is refused, and the job comes back.
    await submit("prove", [row.header, report.kind, report.evidence, salt], row.hash);
  }

  return {
    async step() {
      for (const row of store.accusable(16)) if (!hopeless.has(row.hash)) await accuse(row);
    },
  };
}
