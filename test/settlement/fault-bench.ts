/** What can be said against a batch: honest ones and forged ones, every report that can be made about them, and the way to the court. */
import type { Address } from "viem";
import {
  type ChannelStretch, type Evidence, FaultKind, type InferenceReceipt, type LeafProof, type StretchProof,
  encodeEvidence, faultCommitment, nameOf, positionalTree, receiptDigest, receiptLeaf, stretchLeaf, termsHash,
} from "../../sdk/protocol/index.ts";
import { type Price, mostFor, priceHash, tariffHash } from "../../sdk/payments/tariff.ts";
import { Random } from "../utils/random.ts";
import { type World, bytes32 } from "../utils/settlement-world.ts";
import { type BuilderNode, type Built, assemble, domainOf, receipt, terms } from "./builder.ts";

export const price: Price = { modelId: bytes32("model"), perRequest: 10n, perMillionInput: 1_000_000n, perMillionOutput: 4_000_000n, perMillionReasoning: 0n };
const tariff = { chainId: 713371n, token: "0x7070707070707070707070707070707070707070" as Address, prices: [price] };

export type FaultBench = ReturnType<typeof faultBench>;

/** Everything about one node's batches. */
export function faultBench(w: World, node: BuilderNode) {
  /** What the batches' receipts are under; tests bend it. */
  const under = { terms: terms(node, { settlementMode: 2, tariffHash: tariffHash(tariff) }) };

  const priced = (r: InferenceReceipt): InferenceReceipt => ({ ...r, termsHash: termsHash(under.terms), charge: mostFor(price, r.inputUnits, r.outputUnits) });

  /** Some payments, each a line with gaps, in random shape. */
  async function valid(seed: number): Promise<InferenceReceipt[]> {
    const random = new Random(seed);
    const now = await w.now();
    const receipts: InferenceReceipt[] = [];
    for (let p = 0; p <= random.below(4); p++) {
      let at = BigInt(random.below(1_000));
      for (let i = 0; i <= random.below(5); i++) {
        const r = priced(receipt(node, now - BigInt(random.below(20)), {
          paymentId: bytes32(`payment ${seed} ${p}`), sequence: BigInt(i), cumulativeBefore: at, inputUnits: BigInt(random.below(50)), outputUnits: BigInt(random.below(50)),
        }));
        receipts.push(r);
        at += r.charge + (random.below(3) === 0 ? 7n : 0n);
      }
    }
    return receipts;
  }

  /** A batch whose trees hold these parts, whatever they say; header and receipts signed by the node unless `keepSignatures`. */
  function forge(built: Built, change: { receipts?: InferenceReceipt[]; stretches?: ChannelStretch[]; keepSignatures?: boolean; header?: Partial<Built["header"]> }): Built {
    const domain = domainOf(w);
    const receipts = change.receipts ?? built.receipts;
    const signatures = change.keepSignatures ? built.signatures : receipts.map((r) => node.signer.sign(receiptDigest(r, domain)));
    const stretches = change.stretches ?? built.stretches;
    const leaves = receipts.map((r, i) => receiptLeaf(receiptDigest(r, domain), signatures[i]!));
    const forged = assemble(w, node, built.receipts, {
      ...built.header, receiptsRoot: positionalTree(leaves).root, channelsRoot: positionalTree(stretches.map(stretchLeaf)).root, ...change.header,
    });
    return { ...forged, receipts, signatures, leaves, stretches };
  }

  function parts(built: Built) {
    const receiptTree = positionalTree(built.leaves);
    const stretchTree = positionalTree(built.stretches.map(stretchLeaf));
    const leaf = (i: number): LeafProof => ({ receipt: built.receipts[i]!, signature: built.signatures[i]!, index: BigInt(i), path: receiptTree.path(i) });
    const stretch = (i: number): StretchProof => ({ stretch: built.stretches[i]!, index: BigInt(i), path: stretchTree.path(i) });
    return { leaf, stretch };
  }

  /** Every report that can be made about a batch. */
  function* reports(built: Built, others: Built[] = []): Generator<[number, Evidence]> {
    const { leaf, stretch } = parts(built);
    const L = built.receipts.length;
    const S = built.stretches.length;
    for (let j = 0; j < S; j++) {
      for (const kind of [FaultKind.StretchShape, FaultKind.StretchTotal]) yield [kind, { stretch: stretch(j) }];
      if (j + 1 < S) yield [FaultKind.StretchLink, { stretchPair: { left: stretch(j), right: stretch(j + 1) } }];
      for (let i = 0; i < L; i++) {
        yield [FaultKind.StretchEnd, { edge: { stretch: stretch(j), leaf: leaf(i) } }];
        if (i + 1 < L) yield [FaultKind.StretchInside, { inside: { stretch: stretch(j), left: leaf(i), right: leaf(i + 1) } }];
      }
      for (const other of others) {
        for (let k = 0; k < other.stretches.length; k++) yield [FaultKind.Overlap, { overlap: { here: stretch(j), other: other.header, there: parts(other).stretch(k) } }];
      }
    }
    for (let i = 0; i < L; i++) {
      for (const kind of [FaultKind.BadSignature, FaultKind.WrongNode, FaultKind.OutOfTime, FaultKind.BadOutcome]) yield [kind, { leaf: leaf(i) }];
      if (i + 1 < L) yield [FaultKind.Order, { leafPair: { left: leaf(i), right: leaf(i + 1) } }];
      for (const kind of [FaultKind.WrongTerms, FaultKind.Royalty]) yield [kind, { terms: { leaf: leaf(i), terms: under.terms } }];
      yield [FaultKind.Overcharge, { tariff: { leaf: leaf(i), terms: under.terms, ...tariff, priceHashes: [priceHash(price)], index: 0n, price } }];
    }
  }

  /** Kinds that are proved; evidence that does not open counts as none. */
  async function proved(built: Built, others: Built[] = [], first = false): Promise<string[]> {
    const found = new Set<string>();
    for (const [kind, evidence] of reports(built, others)) {
      const ok = await w.court.check(built.header, kind, encodeEvidence(evidence)).catch(() => false);
      if (ok) found.add(nameOf(FaultKind, kind));
      if (ok && first) break;
    }
    return [...found];
  }

  const post = (built: Built) => w.settlement.postBatch(built.header, built.signature, false);

  /** Commits a reporter to this evidence. `prove` shows it. */
  async function report(built: Built, kind: number, evidence: Evidence) {
    const [, reporter] = await w.ethers.getSigners();
    const bytes = encodeEvidence(evidence);
    const salt = bytes32("salt");
    await w.court.connect(reporter!).commit(faultCommitment(reporter!.address as Address, built.hash, kind, bytes, salt));
    return { reporter: reporter!, bytes, salt, prove: () => w.court.connect(reporter!).prove(built.header, kind, bytes, salt) };
  }

  return { under, priced, valid, forge, parts, proved, post, report };
}
