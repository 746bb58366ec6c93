/** Disputes on disk, between the wrong answer and the hand-in: receipt, signature and what opens the request, and nothing else of the payer. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Hex, isAddressEqual, isHex } from "viem";
import { type ProtocolDomain, receiptDigest } from "../protocol/index.ts";
import { type Dispute, opensRequest, wordOpeningFromJson } from "../receipts/output.ts";
import { receiptFromJson } from "../receipts/wire.ts";
import { disputeToJson } from "./disputes.ts";

const FORMAT = "og-dispute/1";

/** The file is no dispute, or none of this network. */
export class DisputeFileError extends Error {
  readonly code = "DISPUTE_FILE";
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path} ${reason}.`, options);
    this.name = "DisputeFileError";
  }
}

/** Writes each dispute to `<directory>/<digest>.json`, readable by its owner alone; whole or not at all. For `ClientOptions.keepDispute`. */
export function fileDisputes(directory: string, domain: ProtocolDomain): (dispute: Dispute, digest: Hex) => Promise<string> {
  return async (dispute, digest) => {
    const path = join(resolve(directory), `${digest}.json`);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const file = openSync(`${path}.new`, "w", 0o600);
    writeSync(file, `${JSON.stringify({ format: FORMAT, chainId: domain.chainId, settlement: domain.verifyingContract, digest, ...disputeToJson(dispute) }, null, 2)}\n`);
    fsyncSync(file);
    closeSync(file);
    renameSync(`${path}.new`, path);
    return path;
  };
}

/**
 * A dispute as it was saved. Whoever edits it breaks it: the digest covers the receipt, the receipt's requestHash the opening.
 * @throws DisputeFileError saying what is wrong with it.
 */
export function readDispute(path: string, domain: ProtocolDomain): { dispute: Dispute; digest: Hex } {
  const refuse = (reason: string, cause?: unknown) => new DisputeFileError(path, reason, cause === undefined ? undefined : { cause });
  let file: Record<string, unknown>;
  try {
    file = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  } catch (error) {
    throw refuse(`cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  if (file === null || typeof file !== "object" || file.format !== FORMAT) throw refuse('is no dispute: "og infer" saves one when a node signs a wrong answer');
  const { chainId, settlement, signature } = file;
  if (chainId !== domain.chainId || !isHex(settlement) || settlement.length !== 42 || !isAddressEqual(settlement, domain.verifyingContract)) {
    throw refuse(`is of InferenceSettlement ${String(settlement)} on chain ${String(chainId)}, and the network has ${domain.verifyingContract} on ${domain.chainId}: give --network for the other one`);
  }
  if (typeof signature !== "string" || !/^0x([0-9a-f]{2}){64,256}$/i.test(signature)) throw refuse("has no signature of 64, 65 or 256 bytes");
  const opening = wordOpeningFromJson(file.opening);
  if (!opening) throw refuse("has no opening {salt, model, words}");
  let receipt;
  try {
    receipt = receiptFromJson(file.receipt);
  } catch (error) {
    throw refuse(`holds no receipt: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  const digest = receiptDigest(receipt, domain);
  if (digest !== file.digest) throw refuse(`was changed: its receipt has the digest ${digest}, it says ${String(file.digest)}`);
  if (!opensRequest(receipt, opening)) throw refuse("was changed: its opening does not lead to the receipt's requestHash");
  return { dispute: { receipt, signature: signature.toLowerCase() as Hex, opening }, digest };
}
