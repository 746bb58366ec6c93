import { html, nothing } from "lit-html";
import { committeeListHash } from "../../../sdk/protocol/committee.ts";
import { nameOf } from "../../../sdk/protocol/enums.ts";
import { iCommitteeAbi } from "../../../types/abi/ICommittee.ts";
import { amount, count, duration, moment } from "../format.ts";
import type { Net } from "../net.ts";
import type { Loader } from "../page.ts";
import { badge, checkList, facts, hashPart, type Part, section, table, time } from "../ui/parts.ts";

const EPOCH_STATUS = { None: 0, Scheduled: 1, Current: 2, Grace: 3, Dead: 4 };
/** Epochs before the current one that are shown. */
const BEFORE = 4n;

export const committee: Loader = async (net, _route, { show }) => {
  const contract = { address: net.settlement.address("Committee"), abi: iCommitteeAbi } as const;
  const { client } = net.settlement;
  const [current, params, seats] = await Promise.all([
    client.readContract({ ...contract, functionName: "currentEpoch" }),
    client.readContract({ ...contract, functionName: "params" }),
    client.readContract({ ...contract, functionName: "seats" }),
  ]);
  const first = current > BEFORE ? current - BEFORE : 1n;
  const epochs = await Promise.all(Array.from({ length: Number(current - first) + 1 }, (_, index) => readEpoch(net, current - BigInt(index))));
  const [newest, ...before] = current === 0n ? [] : epochs;
  show({
    title: "Committee of full nodes",
    body: html`
      <p class="lead">Members certify batches on this chain and speak for it on the payment chain. A quorum is two thirds of an epoch's stake; a false statement is slashable by whoever shows it.</p>
      ${section("Rules", facts([
        ["Current epoch", current === 0n ? "none has begun: three full nodes must take seats first" : count(current)],
        ["Seats taken now", html`${count(seats.length)} <span class="quiet">become the next epoch's list</span>`],
        ["Length of an epoch", duration(params.epochLength)],
        ["Grace", html`${duration(params.grace)} <span class="quiet">in which a relieved epoch's signatures count</span>`],
        ["Life of a certificate", duration(params.certificateLife)],
        ["Least stake for quorums", amount(params.minTotalStake, 18)],
        ["Slash for a false statement", html`${amount(params.falseStatementSlash, 18)} <span class="quiet">of each signer</span>`],
      ]))}
      ${newest ? epochPart(newest, net.now()) : nothing}
      ${section("Seats of the next epoch", table("Seats", [{ title: "Full node" }], seats.map((nodeId) => [hashPart(nodeId, `#/node/${nodeId}`)]), "Nobody has taken a seat. A full node with enough bond takes one by itself."))}
      ${before.length > 0 ? section("Epochs before", table("Epochs before", [{ title: "Epoch", number: true }, { title: "State" }, { title: "Began" }, { title: "Ended" }, { title: "Seats", number: true }, { title: "Stake", number: true }, { title: "List" }], before.map(({ epoch, info, status, members, listed }) => [
        count(epoch), badge("plain", nameOf(EPOCH_STATUS, status)), moment(info.start), moment(info.end), count(members.length), amount(info.totalStake, 18), listed ? badge("good", "hashed here") : badge("bad", "another hash"),
      ]), nothing)) : nothing}`,
  });
};

async function readEpoch(net: Net, epoch: bigint) {
  const contract = { address: net.settlement.address("Committee"), abi: iCommitteeAbi } as const;
  const { client } = net.settlement;
  const [info, status, members, nodeIds] = await Promise.all([
    client.readContract({ ...contract, functionName: "epochInfo", args: [epoch] }),
    client.readContract({ ...contract, functionName: "epochStatus", args: [epoch] }),
    client.readContract({ ...contract, functionName: "members", args: [epoch] }),
    client.readContract({ ...contract, functionName: "memberNodes", args: [epoch] }),
  ]);
  return { epoch, info, status, members, nodeIds, listed: committeeListHash(epoch, members) === info.listHash.toLowerCase() };
}

function epochPart({ epoch, info, status, members, nodeIds, listed }: Awaited<ReturnType<typeof readEpoch>>, now: bigint): Part {
  return section(`Epoch ${count(epoch)}`, html`${facts([
    ["Began", time(info.start, now)],
    ["Ended", info.end === 0n ? "it is the newest" : moment(info.end)],
    ["Stake", amount(info.totalStake, 18)],
    ["Quorums count", info.fastPath ? "yes" : "no: too little stake, or one operator holds too much"],
  ])}
  ${checkList([{ id: "list", ok: listed, text: listed ? "The list of members, hashed here, is the one that the chain keeps and the payment chain is told." : "The list of members has another hash than the chain keeps." }])}
  ${table(`Members of epoch ${epoch}`, [{ title: "Seat" }, { title: "Full node" }, { title: "Signer" }, { title: "Stake", number: true }, { title: "Share", number: true }], members.map(({ signer, stake }, index) => [
    count(index), nodeIds[index] ? hashPart(nodeIds[index], `#/node/${nodeIds[index]}`) : "unknown", hashPart(signer), amount(stake, 18), info.totalStake > 0n ? `${amount((stake * 1_000n) / info.totalStake, 1)} %` : "0 %",
  ]), "It has no members.")}`, badge(status === EPOCH_STATUS.Current ? "good" : "plain", nameOf(EPOCH_STATUS, status)));
}
