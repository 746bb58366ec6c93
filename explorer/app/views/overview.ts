import { html } from "lit-html";
import { Role } from "../../../sdk/protocol/enums.ts";
import { iCommitteeAbi } from "../../../types/abi/ICommittee.ts";
import { iModelRegistryAbi } from "../../../types/abi/IModelRegistry.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import { listHeaders } from "../chain/headers.ts";
import { count } from "../format.ts";
import type { Net } from "../net.ts";
import type { Loader } from "../page.ts";
import { facts, link, loading, section, time } from "../ui/parts.ts";
import { headerTable } from "./headers.ts";

/** Headers on the overview. */
const NEWEST = 8;

export const overview: Loader = async (net, _route, { show, signal }) => {
  const { client, address } = net.settlement;
  const nodes = { address: address("NodeRegistry"), abi: iNodeRegistryAbi } as const;
  const [head, active, models, epoch, page] = await Promise.all([
    client.getBlock(),
    Promise.all(Object.entries(Role).map(async ([name, role]) => [name, await client.readContract({ ...nodes, functionName: "activeCount", args: [role] })] as const)),
    client.readContract({ address: address("ModelRegistry"), abi: iModelRegistryAbi, functionName: "modelCount" }),
    client.readContract({ address: address("Committee"), abi: iCommitteeAbi, functionName: "currentEpoch" }),
    listHeaders(net, { enough: NEWEST, signal }),
  ]);
  const now = net.now();
  const draw = (table: unknown) => show({
    title: "Overview",
    body: html`
      <p class="lead">What nodes answered, what full nodes checked, and what the chain decided. Signatures, roots and certificates are checked in this browser; <a href="#/about">what is not checked</a> is said, too.</p>
      <ul class="tiles">
        ${active.map(([name, number]) => html`<li><a href=${`#/nodes?role=${name}`}><strong>${count(number)}</strong> ${name.toLowerCase()} node${number === 1n ? "" : "s"} active</a></li>`)}
        <li><a href="#/models"><strong>${count(models)}</strong> model version${models === 1n ? "" : "s"}</a></li>
        <li><a href="#/committee"><strong>${count(epoch)}</strong> committee epoch${epoch === 1n ? "" : "s"}</a></li>
      </ul>
      ${section("Newest headers", table as ReturnType<typeof html>, link("#/batches", "All headers"))}
      ${section("Chains", facts([
        ["Settlement chain", html`${net.settlement.chain.id}, block ${count(head.number)}, ${time(head.timestamp, now)}`],
        ["Payment chain", net.payment ? paymentFact(net) : "not configured: payments are not shown"],
        ["Blobs from", net.aggregators.length === 0 ? "no aggregator is configured: batches cannot be opened" : `${net.aggregators.length} Walrus aggregator${net.aggregators.length === 1 ? "" : "s"}`],
        ["Proofs from", net.ledgers.length === 0 ? "no full node is configured: receipts are found through their batch only" : `${net.ledgers.length} full node${net.ledgers.length === 1 ? "" : "s"}`],
      ]))}`,
  });
  draw(loading("Asking for each header's status …"));
  draw(await headerTable(net, page.events.slice(0, NEWEST)));
};

const paymentFact = ({ payment }: Net) => html`${payment!.chain.id}, <a href="#/payments">escrow and verdicts</a>`;
