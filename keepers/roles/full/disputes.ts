/**
 * Answers in words that payers open here: run again, and, where the node answered something else, proved. The proof goes to FaultCourt
 * for this reporter alone, as soon as the receipt stands in a header.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Hex } from "viem";
import { calculateWitness, InputError, inputOfWords, wtnsBytes } from "../../../circuits/compiler/index.ts";
import { CEREMONY } from "../../../sdk/models/program.ts";
import { BatchStatus, encodeEvidence, FaultKind, type InferenceReceipt, outputContext, termsHash } from "../../../sdk/protocol/index.ts";
import { isWrongOutput, opensRequest, type WordOpening, wordOpeningFromJson } from "../../../sdk/receipts/output.ts";
import { iFaultCourtAbi } from "../../../types/abi/IFaultCourt.ts";
import { iGroth16KeysAbi } from "../../../types/abi/IGroth16Keys.ts";
import { iModelRegistryAbi } from "../../../types/abi/IModelRegistry.ts";
import { fatal, messageOf } from "../../errors/index.ts";
import type { ChildLimits } from "../../proving/limits.ts";
import type { ProvingModel } from "../../proving/program.ts";
import type { Prover } from "../../proving/prover.ts";
import type { Platform } from "../platform.ts";
import { type Dispute, disputeStore } from "./dispute-store.ts";
import { createOpener, type OpenerDeps } from "./opener.ts";
import { createProsecutor } from "./prosecute.ts";
import type { HeaderRow, LeafRow } from "./store.ts";

/** `none`: the words are no admissible input, so nothing is the right answer. `unknown`: this node does not have that program. */
export type OutputVerdict = "right" | "wrong" | "none" | "unknown";

export interface DisputeDesk {
  /** @throws `watch.bad_opening`, `watch.full` */
  take(digest: Hex, receipt: InferenceReceipt, opening: unknown): OutputVerdict;
  /** Undefined: nobody has opened that receipt's request here. */
  of(digest: Hex): OutputVerdict | undefined;
  /** Proves what is posted. */
  step(): Promise<void>;
}

export interface DisputeDeskOptions extends OpenerDeps {
  platform: Platform;
  programs: ReadonlyMap<Hex, ProvingModel>;
  prover: Prover;
  /** Directory for witness files; they hold payers' inputs and are removed after use. */
  scratch: string;
  limits: ChildLimits;
}

/** Wrong answers that wait for their header at once. */
const MAX_OPEN = 1_000;

export function createDisputeDesk({ platform, programs, prover, scratch, limits, ...deps }: DisputeDeskOptions): DisputeDesk {
  const { settlement, signer, clock, metrics } = platform;
  const logger = platform.logger.child({ part: "disputes" });
  const { store } = deps;
  const openerOf = createOpener(deps);
  const disputes = disputeStore(platform.store);
  const contract = settlement.deployment.has("FaultCourt") ? ({ address: settlement.deployment.address("FaultCourt"), abi: iFaultCourtAbi } as const) : null;
  const prosecute = contract && createProsecutor({ ...platform, logger });

  function verdictOf(receipt: InferenceReceipt, opening: WordOpening): OutputVerdict {
    const program = programs.get(receipt.modelId);
    if (!program) return "unknown";
    try {
      return isWrongOutput(program.model, receipt, opening) ? "wrong" : "right";
    } catch (error) {
      if (error instanceof InputError) return "none";
      throw error;
    }
  }

  async function setupLevel(modelId: Hex): Promise<number> {
    const { vkHash } = await settlement.client.readContract({ address: settlement.deployment.address("ModelRegistry"), abi: iModelRegistryAbi, functionName: "model", args: [modelId] });
    return settlement.client.readContract({ address: settlement.deployment.address("Groth16Keys"), abi: iGroth16KeysAbi, functionName: "setupLevel", args: [vkHash] });
  }

  async function prove({ digest, opening }: Dispute, leaf: LeafRow, header: HeaderRow): Promise<Hex | null> {
    const { receipt } = leaf;
    const { leaves, book } = await openerOf(header)({ receipts: [leaf.leaf] });
    const terms = book?.terms.find((item) => termsHash(item) === receipt.termsHash);
    if (!terms) return null;
    const { model, zkey, key } = programs.get(receipt.modelId)!;
    const context = outputContext(settlement.chainId, contract!.address, digest, signer.address);
    const { values, publicInputs, folded } = calculateWitness(model, model.sym, inputOfWords(model, opening.words.map(BigInt)), context);
    const witness = join(scratch, `${digest}.wtns`);
    await mkdir(scratch, { recursive: true });
    await writeFile(witness, wtnsBytes(values));
    const started = clock.now();
    try {
      const { proof } = await prover.prove({ zkey, key, witness, publicInputs, folded }, limits);
      logger.info({ digest, ms: clock.now() - started }, "the right answer is proved");
      return encodeEvidence({ output: { leaf: leaves[0]!, terms, salt: opening.salt, model: opening.model, inputs: BigInt(opening.words.length), publicInputs: [...publicInputs], proof } });
    } finally {
      await rm(witness, { force: true });
    }
  }

  async function pursue(dispute: Dispute, leaf: LeafRow, header: HeaderRow): Promise<void> {
    const { digest } = dispute;
    const level = await setupLevel(leaf.receipt.modelId);
    if (level < CEREMONY) {
      logger.warn({ digest, modelId: leaf.receipt.modelId, level }, "a wrong answer convicts nobody: its key is below level 2");
      return disputes.close(digest, "setup-level");
    }
    const evidence = dispute.headerHash === header.hash && dispute.evidence ? dispute.evidence : await prove(dispute, leaf, header);
    if (!evidence) return void logger.warn({ digest }, "the terms behind a wrong answer could not be had yet");
    // Made once, for this reporter and this header: a restart goes on from here.
    disputes.keep(digest, header.hash, evidence);
    const holds = await settlement.client.readContract({ ...contract!, functionName: "check", args: [header.header, FaultKind.WrongOutput, evidence], account: signer.address }).catch((error: unknown) => {
      logger.warn({ digest, reason: messageOf(error) }, "the court does not take the report now");
      return null;
    });
    if (holds === null) return;
    if (!holds) return disputes.close(digest, "no-fault");
    if (await prosecute!(header, { kind: FaultKind.WrongOutput, evidence })) {
      metrics.count("wrong_outputs_proved_total");
      disputes.close(digest, "proved");
    }
  }

  return {
    take(digest, receipt, given) {
      const opening = wordOpeningFromJson(given);
      if (!opening) throw fatal("watch.bad_opening", "Expected opening {salt, model, words}: 32 bytes, the name in the request, its words as 0x and 64 digits in lower case.");
      if (!opensRequest(receipt, opening)) throw fatal("watch.bad_opening", "The opening does not lead to the receipt's requestHash.", { digest });
      const verdict = verdictOf(receipt, opening);
      if (verdict === "unknown") return verdict;
      if (!disputes.get(digest) && disputes.open(MAX_OPEN).length >= MAX_OPEN) throw fatal("watch.full", "Too many wrong answers wait here. Ask another full node.");
      disputes.add(digest, opening, verdict, clock.now());
      return verdict;
    },
    of: (digest) => disputes.get(digest)?.verdict,
    async step() {
      if (!contract) return;
      disputes.prune(clock.now() - 30 * 86_400_000);
      for (const dispute of disputes.open(16)) {
        const leaf = store.leafByDigest(dispute.digest);
        const header = leaf && store.header(leaf.headerHash);
        if (!leaf || !header) continue;
        if (header.status === BatchStatus.Posted || header.status === BatchStatus.Certified) await pursue(dispute, leaf, header);
        else if (header.status !== BatchStatus.Rejected) disputes.close(dispute.digest, "too-late");
      }
    },
  };
}
