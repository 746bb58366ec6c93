/** How a header went: its moves, certificates, demands, faults. */
import { html, nothing } from "lit-html";
import type { Hex } from "viem";
import { BatchStatus, nameOf } from "../../../sdk/protocol/enums.ts";
import { FaultKind } from "../../../sdk/protocol/faults.ts";
import { iCommitteeAbi } from "../../../types/abi/ICommittee.ts";
import { DemandKind, type ShownDemand, type ShownFault } from "../chain/disputes.ts";
import type { Move } from "../chain/headers.ts";
import { amount, count } from "../format.ts";
import type { Net } from "../net.ts";
import { badge, hashPart, link, type Part, section, table, time } from "../ui/parts.ts";
import { checkCertificate, type CheckedCertificate } from "../verify/certificate.ts";

/** The state machine as it went. */
export function timeline(moves: readonly Move[], times: ReadonlyMap<bigint, bigint>, now: bigint): Part {
  if (moves.length === 0) return html`<p class="empty">The chain tells of no move. Reload in a moment.</p>`;
  return html`<ol class="timeline">${moves.map((move) => {
    const [title, note] = told(move);
    return html`<li><strong>${title}</strong> <span>${note}</span><br /><span class="quiet">${time(times.get(move.blockNumber!) ?? 0n, now)} · block ${count(move.blockNumber!)} · ${hashPart(move.transactionHash!)}</span></li>`;
  })}</ol>`;
}

function told(move: Move): [string, Part] {
  switch (move.eventName) {
    case "HeaderPosted":
      return ["Posted", move.args.fullBond ? "with a lock of twice its charge" : "with a lock of a tenth of its charge, or the minimum"];
    case "HeaderSettled":
    case "StretchSettled":
      return ["Final", "at once: every receipt was verified in the posting call"];
    case "BatchCertified":
      return ["Certified", `by committee epoch ${move.args.committeeEpoch}, signatures with ${amount(move.args.signedStake, 18)} of stake`];
    case "BatchFinalized":
      return ["Final", "the window is over and nobody objected"];
    case "BatchRejected":
      return [move.args.status === BatchStatus.RejectedNoFault ? "Rejected without fault" : "Rejected", html`${move.args.kind === 0 ? "" : `for ${nameOf(FaultKind, move.args.kind)}; `}${BigInt(move.args.reporter) === 0n ? "" : html`reported by ${hashPart(move.args.reporter)}`}`];
    case "BatchReposted":
      return ["Reposted", html`without the faulty receipts, as ${link(`#/batch/${move.args.newHeaderHash}`, "another header")}`];
    case "DemandCounted":
      return ["Data demanded or shown", `${move.args.open} open, ${move.args.total} in all; the window is ${move.args.extension} s longer`];
    case "ProofsVerified":
      return ["Proofs verified", `one check held for the proofs of ${count(move.args.count)} receipt${move.args.count === 1n ? "" : "s"}`];
  }
}

/** Each certificate, its signatures checked here. */
export async function certificates(net: Net, moves: readonly Move[]): Promise<Part> {
  const certified = moves.filter((move) => move.eventName === "BatchCertified");
  const committee = { address: net.settlement.address("Committee"), abi: iCommitteeAbi } as const;
  const parts = await Promise.all(certified.map(async (move) => {
    const epoch = BigInt(move.args.committeeEpoch);
    const [{ input }, { listHash }] = await Promise.all([
      net.settlement.client.getTransaction({ hash: move.transactionHash! }),
      net.settlement.client.readContract({ ...committee, functionName: "epochInfo", args: [epoch] }),
    ]);
    return certificatePart(checkCertificate(input, move.args.headerHash, net.domain, (asked): Hex | undefined => (asked === epoch ? listHash : undefined)));
  }));
  return parts.length === 0 ? nothing : section("Certificate of full nodes", parts);
}

function certificatePart(certificate: CheckedCertificate | null): Part {
  if (!certificate) return html`<p>${badge("plain", "not shown")} It was carried through another contract's call; its signatures cannot be read here. The contract checked them.</p>`;
  const { epoch, seats, signedStake, totalStake, fault, quorum } = certificate;
  return html`<p>${fault ? badge("bad", "does not hold") : badge("good", "signatures checked here")} ${fault ?? html`${seats.filter(({ signed }) => signed).length} of ${seats.length} seats of <a href="#/committee">epoch ${count(epoch)}</a> say that they hold the data and checked every leaf: ${amount(signedStake, 18)} of ${amount(totalStake, 18)} of stake${quorum ? "" : " (they joined an earlier quorum)"}.`}</p>
    ${table("Seats", [{ title: "Signer" }, { title: "Stake", number: true }, { title: "LeafCheck" }], seats.map(({ signer, stake, signed }) => [hashPart(signer), amount(stake, 18), signed ? badge("good", "signed") : badge("plain", "did not sign")]), "The list is empty.")}`;
}

export function demandList(demands: readonly ShownDemand[]): Part {
  if (demands.length === 0) return nothing;
  return section("Demands for its data", table("Demands", [{ title: "Demand" }, { title: "For" }, { title: "Asked by" }, { title: "State" }], demands.map(({ id, kind, first, count: size, paymentId, asker, end, by }) => [
    `no. ${count(id)}`, kind === DemandKind.LastOf ? html`the last receipt of ${hashPart(paymentId)}` : `${nameOf(DemandKind, kind).toLowerCase()} ${count(first)} to ${count(first + size - 1)}`, hashPart(asker),
    end === null ? badge("wait", "open") : end === "answered" ? html`${badge("good", "answered")} by ${hashPart(by!)}` : end === "enforced" ? badge("bad", "not answered: header rejected") : badge("plain", "closed"),
  ]), nothing));
}

export function faultList(faults: readonly ShownFault[]): Part {
  if (faults.length === 0) return nothing;
  return section("Faults proved", table("Faults", [{ title: "Fault" }, { title: "Reported by" }, { title: "Transaction" }], faults.map(({ kind, reporter, tx }) => [badge("bad", nameOf(FaultKind, kind)), hashPart(reporter), hashPart(tx)]), nothing));
}
