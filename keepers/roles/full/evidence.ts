/** Evidence for what a check has found, in the form that FaultCourt takes: pure. Several reports may fit one finding; the court says which one holds. */
import { bytesToHex, type Hex, hexToBytes } from "viem";
import { type OpenedLeaf, type OpenedStretch, pathFromLeaves, type SignedLeaf, type TermsBook } from "../../../sdk/batch/index.ts";
import { priceHash, tariffHash } from "../../../sdk/payments/tariff.ts";
import {
  type BatchHeader, type ChannelStretch, type Evidence, encodeEvidence, FaultKind, positionalTree, type ProtocolDomain, receiptDigest, receiptLeaf, stretchLeaf, termsHash,
} from "../../../sdk/protocol/index.ts";
import type { HeaderRow } from "./store.ts";

export interface Report {
  kind: number;
  evidence: Hex;
}

export interface Wanted {
  receipts?: readonly number[];
  stretches?: readonly number[];
}

/** Opens parts of a header by index; throws RangeError where there is none. */
export type Opener = (wanted: Wanted) => Promise<{ leaves: OpenedLeaf[]; stretches: OpenedStretch[]; book: TermsBook | null }>;

type Finding = { kind: string; index: number | null };
const report = (kind: number, evidence: Evidence): Report => ({ kind, evidence: encodeEvidence(evidence) });

/** Reports about one header, likeliest first. */
export async function candidates({ kind, index }: Finding, header: Pick<BatchHeader, "count" | "channels">, open: Opener): Promise<Report[]> {
  if (kind === "stretch" || kind === "sum") return stretchCandidates(index, header, open);
  const at = index ?? (kind === "wrong-node" ? 0 : null);
  if (at === null) return [];
  const single = { signature: FaultKind.BadSignature, time: FaultKind.OutOfTime, outcome: FaultKind.BadOutcome, "wrong-node": FaultKind.WrongNode }[kind];
  if (single !== undefined) return [report(single, { leaf: (await open({ receipts: [at] })).leaves[0]! })];
  if ((kind === "order" || kind === "overlap") && at > 0) {
    const [left, right] = (await open({ receipts: [at - 1, at] })).leaves as [OpenedLeaf, OpenedLeaf];
    return [report(FaultKind.Order, { leafPair: { left, right } })];
  }
  return termsCandidates(kind, at, open);
}

/** The same from what stands in the ledger. */
export function openRows(leaves: readonly SignedLeaf[], stretches: readonly ChannelStretch[], wanted: Wanted, domain: ProtocolDomain): Omit<Awaited<ReturnType<Opener>>, "book"> & { book: null } {
  const hashes = Buffer.concat(leaves.map(({ receipt, signature }) => hexToBytes(receiptLeaf(receiptDigest(receipt, domain), signature))));
  const tree = positionalTree(stretches.map(stretchLeaf));
  return {
    leaves: (wanted.receipts ?? []).map((at) => ({ receipt: leaves[at]!.receipt, signature: leaves[at]!.signature, index: BigInt(at), path: pathFromLeaves(hashes, at).map((node) => bytesToHex(node)) })),
    stretches: (wanted.stretches ?? []).map((at) => ({ stretch: stretches[at]!, index: BigInt(at), path: tree.path(at) })),
    book: null,
  };
}

async function termsCandidates(kind: string, at: number, open: Opener): Promise<Report[]> {
  const { leaves, book } = await open({ receipts: [at] });
  const leaf = leaves[0]!;
  const terms = book?.terms.find((item) => termsHash(item) === leaf.receipt.termsHash);
  if (!terms) return [];
  if (kind === "terms") return [report(FaultKind.WrongTerms, { terms: { leaf, terms } })];
  if (kind === "royalty") return [report(FaultKind.Royalty, { terms: { leaf, terms } })];
  if (kind !== "overcharge") return [];
  return (book?.tariffs ?? []).flatMap((tariff) => {
    const index = tariff.prices.findIndex(({ modelId }) => modelId === leaf.receipt.modelId);
    if (index < 0 || tariffHash(tariff) !== terms.tariffHash) return [];
    const { chainId, token, prices } = tariff;
    return [report(FaultKind.Overcharge, { tariff: { leaf, terms, chainId, token, priceHashes: prices.map(priceHash), index: BigInt(index), price: prices[index]! } })];
  });
}

/** Leaves of a stretch that are looked at one by one for a gap inside. */
const MAX_INSIDE = 4_096;

/** Whatever can be wrong with the stretch at `index` (with the first and the last, where none is named): shape, ends, inside, neighbours, total. */
async function stretchCandidates(index: number | null, header: Pick<BatchHeader, "count" | "channels">, open: Opener): Promise<Report[]> {
  const last = header.channels - 1;
  const places = [...new Set(index === null ? [0, last] : [index, Math.max(0, index - 1), last])].filter((at) => at <= last);
  const reports: Report[] = [];
  for (const at of places) {
    const [here, next] = (await open({ stretches: at < last ? [at, at + 1] : [at] })).stretches as [OpenedStretch, OpenedStretch | undefined];
    reports.push(report(FaultKind.StretchShape, { stretch: here }), report(FaultKind.StretchTotal, { stretch: here }));
    if (next) reports.push(report(FaultKind.StretchLink, { stretchPair: { left: here, right: next } }));
    const { firstLeaf, leafCount } = here.stretch;
    const inside = Math.min(leafCount, header.count - firstLeaf, MAX_INSIDE);
    if (inside <= 0) continue;
    const { leaves } = await open({ receipts: [...Array.from({ length: inside }, (_, offset) => firstLeaf + offset), ...(leafCount > inside ? [Math.min(firstLeaf + leafCount, header.count) - 1] : [])] });
    for (const leaf of new Set([leaves[0]!, leaves.at(-1)!])) reports.push(report(FaultKind.StretchEnd, { edge: { stretch: here, leaf } }));
    const gap = leaves.findIndex(({ receipt }, place) => place + 1 < inside && breaks(receipt, leaves[place + 1]!.receipt));
    if (gap >= 0) reports.push(report(FaultKind.StretchInside, { inside: { stretch: here, left: leaves[gap]!, right: leaves[gap + 1]! } }));
  }
  return reports;
}

const breaks = (left: SignedLeaf["receipt"], right: SignedLeaf["receipt"]): boolean => left.paymentId !== right.paymentId || right.cumulativeBefore !== left.cumulativeBefore + left.charge;

/** Two headers that cover the same part of a line. */
export function overlapEvidence(here: readonly ChannelStretch[], other: HeaderRow, there: readonly ChannelStretch[], at: { here: number; there: number }): Report {
  const proof = (stretches: readonly ChannelStretch[], index: number) => ({ stretch: stretches[index]!, index: BigInt(index), path: positionalTree(stretches.map(stretchLeaf)).path(index) });
  return report(FaultKind.Overlap, { overlap: { here: proof(here, at.here), other: other.header, there: proof(there, at.there) } });
}
