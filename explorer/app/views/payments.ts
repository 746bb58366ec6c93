/** The payment chain: what it was told of the settlement chain, and what became of the money. */
import { html, nothing } from "lit-html";
import { type Hex, zeroAddress } from "viem";
import { committeeListHash } from "../../../sdk/protocol/committee.ts";
import { iCommitteeAbi } from "../../../types/abi/ICommittee.ts";
import { iEscrowLensAbi } from "../../../types/abi/IEscrowLens.ts";
import { iPaymentEscrowAbi } from "../../../types/abi/IPaymentEscrow.ts";
import { iSettlementInboxAbi } from "../../../types/abi/ISettlementInbox.ts";
import { timesOf } from "../chain/blocks.ts";
import { eventsBackwards } from "../chain/logs.ts";
import { money, readToken } from "../chain/tokens.ts";
import { count, duration, percent, short } from "../format.ts";
import { receiptsOfPayment } from "../ledger.ts";
import type { Chain, Net } from "../net.ts";
import { type Loader, NotFound } from "../page.ts";
import { hashArg } from "../router.ts";
import { ago, badge, checkList, facts, hashPart, loading, type Part, section, statusBadge, table, time, wholeHash } from "../ui/parts.ts";
import { outcomeBadge } from "./leaves.ts";

const MOST = 25;
const MONEY = ["Released", "Refunded"] as const;

function paymentOf(net: Net): Chain {
  if (!net.payment) throw new NotFound("No payment chain is configured.", 'Give "payment" in explorer.json.');
  return net.payment;
}
const escrowOf = (chain: Chain) => ({ address: chain.address("PaymentEscrow"), abi: iPaymentEscrowAbi }) as const;
const inboxOf = (chain: Chain) => ({ address: chain.address("SettlementInbox"), abi: iSettlementInboxAbi }) as const;

export const payments: Loader = async (net, _route, { show, signal }) => {
  const chain = paymentOf(net);
  const { client } = chain;
  const [epoch, heard, times, settlement, feeBps, paused, verdicts, moves] = await Promise.all([
    client.readContract({ ...inboxOf(chain), functionName: "currentEpoch" }),
    client.readContract({ ...inboxOf(chain), functionName: "lastHeardAt" }),
    client.readContract({ ...inboxOf(chain), functionName: "times" }),
    client.readContract({ ...inboxOf(chain), functionName: "settlement" }),
    client.readContract({ ...escrowOf(chain), functionName: "feeBps" }),
    client.readContract({ ...escrowOf(chain), functionName: "intakePaused" }),
    eventsBackwards(chain, { ...inboxOf(chain), names: ["VerdictRecorded", "CertificateConflicted"] }, { enough: MOST, signal }),
    eventsBackwards(chain, { ...escrowOf(chain), names: MONEY }, { enough: MOST, signal }),
  ]);
  const [told, seen, head] = await Promise.all([listedThere(chain, epoch), listedHere(net, epoch), client.getBlock()]);
  const when = await timesOf(chain, [...verdicts.events, ...moves.events].map(({ blockNumber }) => blockNumber!));
  const now = net.now();
  const silent = head.timestamp > heard + BigInt(times.silence);
  const ours = settlement.toLowerCase() === net.domain.verifyingContract.toLowerCase();
  show({
    title: "Payments",
    body: html`
      <p class="lead">Money is held on the payment chain until the payer acknowledges, or until full nodes certify what the settlement chain decided. Silence refunds.</p>
      ${section("Inbox: what this chain knows of the other", html`${facts([
        ["Last heard", heard === 0n ? "never" : time(heard, now)],
        ["Refund clock", silent ? badge("wait", `stands still: silent for more than ${duration(times.silence)}`) : badge("good", "runs")],
        ["Committee epoch", count(epoch)],
        ["Protocol fee", percent(feeBps)],
        ["New channels", paused ? badge("wait", "paused") : badge("good", "taken")],
      ])}${checkList([
        { id: "settlement", ok: ours, text: ours ? "The inbox belongs to the settlement contract that this page shows." : `The inbox belongs to another settlement contract: ${settlement}.` },
        ...(epoch > 0n ? [{ id: "list", ok: told === seen, text: told === seen ? `Epoch ${count(epoch)} has the list here that the settlement chain has.` : `Epoch ${count(epoch)} has ANOTHER list here than on the settlement chain: its signers are slashable for it.` }] : []),
      ])}`)}
      ${section("Verdicts, newest first", table("Verdicts", [{ title: "Header" }, { title: "Verdict" }, { title: "Epoch", number: true }, { title: "Recorded" }, { title: "Transaction" }], verdicts.events.slice(0, MOST).map((event) => event.eventName === "VerdictRecorded"
        ? [hashPart(event.args.headerHash, `#/batch/${event.args.headerHash}`), statusBadge(event.args.status), count(event.args.epoch), ago(when.get(event.blockNumber!)!, now), hashPart(event.transactionHash!)]
        : [hashPart(event.args.headerHash, `#/batch/${event.args.headerHash}`), badge("bad", "a second, different statement"), count(event.args.offeredEpoch), ago(when.get(event.blockNumber!)!, now), hashPart(event.transactionHash!)]),
        "No certificate was recorded yet. Money that is acknowledged by its payer needs none."))}
      ${section("Money that moved, newest first", table("Moves", [{ title: "Payment" }, { title: "What" }, { title: "From, units", number: true }, { title: "To, units", number: true }, { title: "By" }, { title: "When" }], moves.events.slice(0, MOST).flatMap((event) => event.args.moves.slice(0, MOST).map(({ paymentId, from, to }) => [
        hashPart(paymentId, `#/payment/${paymentId}`), event.eventName === "Released" ? badge("good", "released") : badge("plain", "refunded"), count(from), count(to), causePart(event.args.cause, event.eventName), ago(when.get(event.blockNumber!)!, now),
      ])), "Nothing was released or refunded yet."))}`,
  });
};

/** 0 is no header: the payer's own word, or, of refunds, time that ran out. */
const causePart = (cause: Hex, what: (typeof MONEY)[number]): Part => (BigInt(cause) === 0n ? (what === "Released" ? "the payer's Ack" : "time: nobody certified") : html`certificate of ${hashPart(cause, `#/batch/${cause}`)}`);

async function listedThere(chain: Chain, epoch: bigint): Promise<string> {
  return (await chain.client.readContract({ ...inboxOf(chain), functionName: "epochOf", args: [epoch] })).listHash.toLowerCase();
}

async function listedHere(net: Net, epoch: bigint): Promise<string> {
  if (epoch === 0n) return "";
  const members = await net.settlement.client.readContract({ address: net.settlement.address("Committee"), abi: iCommitteeAbi, functionName: "members", args: [epoch] });
  return committeeListHash(epoch, members);
}

export const payment: Loader = async (net, { args: [text] }, { show, signal }) => {
  const paymentId = hashArg(text);
  if (!paymentId) throw new NotFound("The payment id in the address is none.", "A payment id has 0x and 64 hexadecimal digits.");
  const channel = net.payment?.has("PaymentEscrow") ? await net.payment.client.readContract({ ...escrowOf(net.payment), functionName: "channelOf", args: [paymentId] }) : null;
  const registered = channel !== null && channel.payer !== zeroAddress;
  const money_ = registered ? await channelPart(net, paymentId, channel) : html`${facts([["Payment id", wholeHash(paymentId)]])}<p class="empty">The escrow knows no channel with this id: it was paid another way (unprotected), not at all, or its first claim is still to come.</p>`;
  const draw = (receipts: Part) => show({ title: `Payment ${short(paymentId)}`, body: html`${section("Where the money stands", money_)}${section("Its receipts, as a full node lists them", receipts)}` });
  draw(loading("Asking a full node …"));
  const { rows, misses } = await receiptsOfPayment(net, paymentId, signal);
  draw(html`${table("Receipts", [{ title: "Sequence", number: true }, { title: "From, units", number: true }, { title: "Charge, units", number: true }, { title: "Outcome" }, { title: "Header" }, { title: "Proof" }], rows.sort((a, b) => Number(a.receipt.sequence - b.receipt.sequence)).map(({ header, index, receipt }) => [
    count(receipt.sequence), count(receipt.cumulativeBefore), count(receipt.charge), outcomeBadge(receipt.outcome), hashPart(header, `#/batch/${header}`), html`<a href=${`#/receipt/${header}/${index}`}>check</a>`,
  ]), misses.length > 0 && misses.length === net.ledgers.length ? `No full node answered: ${misses[0]!.reason}.` : net.ledgers.length === 0 ? "No full node is configured, and nobody else lists receipts by payment." : "No full node lists a receipt of this payment: private ones are never posted.")}
    <p class="quiet">A list is a hint: what was left out of it cannot be seen here. Each receipt is checked on its own page.</p>`);
};

async function channelPart(net: Net, paymentId: Hex, channel: { payer: Hex; token: Hex; termsHash: Hex; isPrivate: boolean }): Promise<Part> {
  const chain = net.payment!;
  const [token, state, terms] = await Promise.all([
    readToken(chain, channel.token),
    chain.client.readContract({ address: chain.address("EscrowLens"), abi: iEscrowLensAbi, functionName: "moneyOf", args: [chain.address("PaymentEscrow"), paymentId] }),
    chain.client.readContract({ ...escrowOf(chain), functionName: "termsOf", args: [channel.termsHash] }),
  ]);
  return facts([
    ["Payment id", wholeHash(paymentId)],
    ["Payer", hashPart(channel.payer)],
    ["Node", hashPart(terms.nodeId, `#/node/${terms.nodeId}`)],
    ["Claimed", money(state.totalClaimed, token)],
    ["Decided", html`${money(state.settledUpTo, token)} <span class="quiet">paid to node or payer</span>`],
    ["Held", html`${money(state.held, token)}${state.held > 0n && state.wait > 0n ? html` <span class="quiet">the payer's in ${duration(state.wait)} of heard time, if nobody certifies</span>` : nothing}`],
    ["Token", html`${token.symbol} ${hashPart(channel.token)}`],
    ["Terms", hashPart(channel.termsHash)],
    ["Release", channel.isPrivate ? "at claim: private terms" : "by the payer's Ack or by a certificate"],
    ["Payout", hashPart(terms.payout)],
    ["Royalty", terms.royaltyBps === 0 ? "none" : html`${percent(terms.royaltyBps)} to ${hashPart(terms.royaltyTo)}`],
    ["Fee", percent(terms.feeBps)],
  ]);
}
