/** Proves the faults that this node found: commits to the report, then opens it, so that nobody takes it from the mempool. */
import { createReadStream } from "node:fs";
import { type Abi, type AbiParameter, type Hex, bytesToHex, encodeAbiParameters, encodeFunctionData, keccak256 } from "viem";
import { type OpenedLeaf, openLeaves } from "../../../sdk/batch/index.ts";
import { type ChannelStretch, positionalTree, type ProtocolDomain, stretchLeaf } from "../../../sdk/protocol/index.ts";
import { iFaultCourtAbi } from "../../../types/abi/IFaultCourt.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { kv } from "../../storage/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import type { FullStore, HeaderRow } from "./store.ts";

/** FaultKind of contracts/types/Faults.sol, as far as the data of one blob shows them. */
const FAULT = { BadSignature: 1, OutOfTime: 3, BadOutcome: 4, Order: 5, Overlap: 11 } as const;

const RECEIPT: AbiParameter = {
  name: "receipt", type: "tuple",
  components: [
    ...["nodeId", "keyId", "modelId", "termsHash", "requestHash", "responseHash", "paymentId"].map((name) => ({ name, type: "bytes32" })),
    ...["cumulativeBefore", "charge"].map((name) => ({ name, type: "uint128" })),
    ...["inputUnits", "outputUnits", "sequence", "issuedAt"].map((name) => ({ name, type: "uint64" })),
    { name: "outcome", type: "uint8" },
  ],
};
const leafProof = (name: string): AbiParameter => ({
  name, type: "tuple", components: [RECEIPT, { name: "signature", type: "bytes" }, { name: "index", type: "uint256" }, { name: "path", type: "bytes32[]" }],
});
const STRETCH: AbiParameter = {
  name: "stretch", type: "tuple",
  components: [
    { name: "paymentChainId", type: "uint256" }, { name: "escrow", type: "address" }, { name: "paymentId", type: "bytes32" }, { name: "from", type: "uint128" },
    { name: "to", type: "uint128" }, { name: "firstLeaf", type: "uint32" }, { name: "leafCount", type: "uint32" }, { name: "prefixTotal", type: "uint128" },
  ],
};
const stretchProof = (name: string): AbiParameter => ({
  name, type: "tuple", components: [STRETCH, { name: "index", type: "uint256" }, { name: "path", type: "bytes32[]" }],
});
const HEADER: AbiParameter = {
  name: "other", type: "tuple",
  components: [
    { name: "nodeId", type: "bytes32" }, { name: "keyId", type: "bytes32" }, { name: "nonce", type: "uint64" }, { name: "prevHeader", type: "bytes32" },
    { name: "receiptsRoot", type: "bytes32" }, { name: "channelsRoot", type: "bytes32" }, { name: "count", type: "uint32" }, { name: "channels", type: "uint32" },
    { name: "totalCharge", type: "uint128" }, { name: "minIssuedAt", type: "uint64" }, { name: "maxIssuedAt", type: "uint64" }, { name: "blobId", type: "bytes32" },
    { name: "contentHash", type: "bytes32" }, { name: "format", type: "uint8" },
  ],
};

export interface Report {
  kind: number;
  evidence: Hex;
}

/**
 * Evidence for a fault at a leaf: the leaf with its path, and its left neighbour where order is the matter.
 * @param open Opens receipts of the batch by index.
 */
export async function leafEvidence(fault: { kind: string; index: number | null }, open: (indices: number[]) => Promise<readonly OpenedLeaf[]>): Promise<Report | null> {
  const { kind, index } = fault;
  if (index === null) return null;
  const single = { signature: FAULT.BadSignature, time: FAULT.OutOfTime, outcome: FAULT.BadOutcome }[kind];
  if (single !== undefined) return { kind: single, evidence: encodeAbiParameters([leafProof("leaf")], [(await open([index]))[0]]) };
  if ((kind === "order" || kind === "overlap") && index > 0) {
    const pair = { name: "pair", type: "tuple", components: [leafProof("left"), leafProof("right")] };
    const [left, right] = await open([index - 1, index]);
    return { kind: FAULT.Order, evidence: encodeAbiParameters([pair], [{ left, right }]) };
  }
  return null;
}

/** Evidence for two headers that cover the same part of a line. */
export function overlapEvidence(here: readonly ChannelStretch[], other: HeaderRow, there: readonly ChannelStretch[], at: { here: number; there: number }): Report {
  const proof = (stretches: readonly ChannelStretch[], index: number) => ({ stretch: stretches[index]!, index: BigInt(index), path: positionalTree(stretches.map(stretchLeaf)).path(index) });
  const tuple = { name: "overlap", type: "tuple", components: [stretchProof("here"), HEADER, stretchProof("there")] };
  return { kind: FAULT.Overlap, evidence: encodeAbiParameters([tuple], [{ here: proof(here, at.here), other: other.header, there: proof(there, at.there) }]) };
}

export interface Accuser {
  step(): Promise<void>;
}

export function createAccuser(platform: Platform, store: FullStore, domain: ProtocolDomain, blobPath: (hash: Hex) => string): Accuser {
  const { settlement, signer, journal, clock } = platform;
  const logger = platform.logger.child({ part: "accuse" });
  if (!settlement.deployment.has("FaultCourt")) return { step: async () => {} };
  const court = settlement.deployment.address("FaultCourt");
  const contract = { address: court, abi: iFaultCourtAbi } as const;
  const facts = kv(platform.store);
  const hopeless = new Set<Hex>();

  async function reportOf(row: HeaderRow): Promise<Report | null> {
    const fault = store.check(row.hash)?.fault;
    if (!fault) return null;
    const overlap = store.overlapOf(row);
    if (overlap) {
      const other = store.header(overlap.other);
      return other ? overlapEvidence(store.stretches(row.hash), other, store.stretches(overlap.other), overlap) : null;
    }
    return leafEvidence(fault, async (receipts) => (await openLeaves(createReadStream(blobPath(row.hash)), domain, { receipts })).leaves);
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
    const holds = report && (await settlement.client.readContract({ ...contract, functionName: "check", args: [row.header, report.kind, report.evidence] }).catch(() => false));
    if (!report || !holds) {
      // Roots that the data does not lead to: only a demand for the data decides those.
      logger.error({ header: row.hash, fault: store.check(row.hash)?.fault }, "faulty batch that no opening proves: ask for its leaves");
      return void hopeless.add(row.hash);
    }
    const salt = saltOf(row.hash);
    const commitment = keccak256(
      encodeAbiParameters(["address", "bytes32", "uint8", "bytes32", "bytes32"].map((type) => ({ type })), [signer.address, row.hash, report.kind, keccak256(report.evidence), salt]),
    );
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
