/** Nodes: the list, and one of them. */
import { html, nothing } from "lit-html";
import { type Hex, keccak256, toHex, zeroAddress } from "viem";
import { NodeStatus } from "../../../sdk/network/nodes.ts";
import { KeyType, nameOf, Role } from "../../../sdk/protocol/enums.ts";
import { iMeasurementPolicyAbi } from "../../../types/abi/IMeasurementPolicy.ts";
import { timesOf } from "../chain/blocks.ts";
import { listHeaders } from "../chain/headers.ts";
import { keyEpochs, lifeOf, listNodes, readNode, type ShownNode } from "../chain/nodes.ts";
import { amount, count, moment, short } from "../format.ts";
import type { Net } from "../net.ts";
import { type Loader, NotFound } from "../page.ts";
import { hashArg, numberArg } from "../router.ts";
import { ago, badge, facts, hashPart, link, loading, outsideLink, type Part, section, table, time, type Tone, wholeHash } from "../ui/parts.ts";
import { headerTable } from "./headers.ts";

const PAGE = 25;
const KEY_STATUS = { None: 0, Valid: 1, Retired: 2, Expired: 3, Compromised: 4 };
const TEE = { "AWS Nitro": 1, "Intel TDX": 2, "Intel SGX": 3 };
/** Workloads that the protocol's own keepers register. */
const WORKLOADS = new Map(["og.inference", "og.data", "og.full"].map((name) => [keccak256(toHex(name)) as string, name]));

const tone = (status: number): Tone => (status === NodeStatus.Active ? "good" : status === NodeStatus.Banned || status === NodeStatus.Jailed || status === NodeStatus.Dead ? "bad" : status === NodeStatus.Exited ? "plain" : "wait");
const nodeBadge = (status: number): Part => badge(tone(status), nameOf(NodeStatus, status));
const keyBadge = (status: number): Part => badge(status === KEY_STATUS.Valid ? "good" : status === KEY_STATUS.Compromised ? "bad" : "plain", nameOf(KEY_STATUS, status));
const teeName = (type: number): string => nameOf(TEE, type);

export const nodes: Loader = async (net, { query }, { show, signal }) => {
  const roleName = Object.keys(Role).find((name) => name === query.get("role"));
  const role = roleName ? Role[roleName as keyof typeof Role] : undefined;
  const page = await listNodes(net, { role, from: numberArg(query.get("before")), enough: PAGE, signal });
  const rows = await Promise.all(page.events.map((nodeId) => readNode(net, nodeId)));
  const [head, beats] = await Promise.all([net.settlement.client.getBlockNumber(), timesOf(net.settlement, rows.map(({ lastHeartbeat }) => lastHeartbeat).filter((block) => block > 0n))]);
  const now = net.now();
  const chip = (name: string, href: string, here: boolean) => html`<a href=${href} aria-current=${here ? "true" : nothing}>${name}</a>`;
  show({
    title: roleName ? `${roleName} nodes` : "Nodes",
    body: html`
      <p class="lead">Who registered, with what bond, and whether an attested key stands behind it. Simulated enclaves of a local network protect nothing.</p>
      <nav class="filters" aria-label="Roles">${chip("All", "#/nodes", !roleName)}${Object.keys(Role).map((name) => chip(name, `#/nodes?role=${name}`, name === roleName))}</nav>
      ${section("Newest first", table("Nodes", [{ title: "Node" }, { title: "Role" }, { title: "State" }, { title: "TEE" }, { title: "Key epoch", number: true }, { title: "Free bond", number: true }, { title: "Locked", number: true }, { title: "Last heartbeat" }, { title: "Endpoint" }],
        rows.map((node) => [
          hashPart(node.nodeId, `#/node/${node.nodeId}`), nameOf(Role, node.role), nodeBadge(node.status), node.key ? teeName(node.key.teeType) : "none", node.key ? html`${count(node.epoch)} ${keyBadge(node.key.status)}` : "none",
          amount(node.bond.free, 18), amount(node.bond.locked, 18), node.lastHeartbeat === 0n ? "never" : html`${ago(beats.get(node.lastHeartbeat)!, now)} <span class="quiet">${count(head - node.lastHeartbeat)} blocks</span>`, outsideLink(node.endpoint),
        ]),
        "No node has registered here. Start one: docs/operator/keepers.md."))}
      ${page.next === null ? nothing : html`<nav class="pager" aria-label="More nodes"><a href=${`#/nodes?${new URLSearchParams({ ...(roleName ? { role: roleName } : {}), before: String(page.next) })}`}>Older</a></nav>`}`,
  });
};

export const node: Loader = async (net, { args: [text] }, { show, signal }) => {
  const nodeId = hashArg(text);
  if (!nodeId) throw new NotFound("The node id in the address is none.", "A node id has 0x and 64 hexadecimal digits.");
  const found = await readNode(net, nodeId);
  if (found.operator === zeroAddress) throw new NotFound(`Chain ${net.settlement.chain.id} has no node ${short(nodeId)}.`, "Look at the list of nodes, or search.");
  const now = net.now();
  const [head, policy] = await Promise.all([net.settlement.client.getBlockNumber(), policyFacts(net, found)]);
  const beat = found.lastHeartbeat > 0n ? (await timesOf(net.settlement, [found.lastHeartbeat])).get(found.lastHeartbeat)! : null;
  let keys: Part = loading("Asking for its key epochs …");
  let headers: Part = loading("Looking for its headers …");
  let life: Part = loading("Looking for what happened to it …");
  const draw = () => show({
    title: `${nameOf(Role, found.role)} node ${short(nodeId)}`,
    body: html`
      <p class="state">${nodeBadge(found.status)}${found.key ? html`<span>${teeName(found.key.teeType)}, key epoch ${count(found.epoch)}: ${keyBadge(found.key.status)}</span>` : html`<span>no key epoch yet: nobody has attested it</span>`}</p>
      ${section("Node", facts([
        ["Node id", wholeHash(nodeId)],
        ["Endpoint", outsideLink(found.endpoint)],
        ["Operator", hashPart(found.operator)],
        ["Payout", hashPart(found.payout)],
        ["Payment authorizer", hashPart(found.paymentAuthorizer)],
        ["TLS key (SHA-256)", hashPart(found.tlsSpkiHash)],
        ["Last heartbeat", beat === null ? "never" : html`${time(beat, now)} <span class="quiet">block ${count(found.lastHeartbeat)}, ${count(head - found.lastHeartbeat)} ago</span>`],
      ]))}
      ${section("Bond", facts([["Free", amount(found.bond.free, 18)], ["Locked", html`${amount(found.bond.locked, 18)} <span class="quiet">behind pending headers</span>`], ["Exiting", found.bond.exiting === 0n ? "0" : html`${amount(found.bond.exiting, 18)}, from ${moment(found.bond.exitAt)}`]]))}
      ${section("Image and policy", policy)}
      ${keys}${headers}${life}`,
  });
  draw();
  const parts: Promise<void>[] = [
    keyEpochs(net, nodeId, signal).then(({ epochs }) => void (keys = section("Key epochs, newest first", table("Key epochs", [{ title: "Epoch", number: true }, { title: "Key" }, { title: "State" }, { title: "Signs with" }, { title: "TEE" }, { title: "Image" }, { title: "Valid from" }, { title: "Until" }, { title: "Ended" }],
      epochs.map((key) => [count(key.epoch), hashPart(key.keyId), keyBadge(key.status), nameOf(KeyType, key.keyType), html`<span class="nowrap">${teeName(key.teeType)}</span>`, hashPart(key.imageId), html`<span class="nowrap">${moment(key.validFrom)}</span>`, html`<span class="nowrap">${moment(key.validUntil)}</span>`, key.compromisedSince > 0n ? html`compromised since ${moment(key.compromisedSince)}` : key.endedAt > 0n ? moment(key.endedAt) : "no"]),
      "No key epoch was opened: the node has not attested.")))),
    recentHeaders(net, nodeId, signal).then((part) => void (headers = section("Its newest headers", part, link(`#/batches?node=${nodeId}`, "All of them")))),
    lifeOf(net, nodeId, 20, signal).then(async (events) => {
      const times = await timesOf(net.settlement, events.map(({ blockNumber }) => blockNumber!));
      life = section("What happened to it", table("Events", [{ title: "When" }, { title: "What" }, { title: "Transaction" }], events.map((event) => [ago(times.get(event.blockNumber!)!, now), happened(event), hashPart(event.transactionHash!)]), "Nothing but its registration."));
    }),
  ];
  for (const part of parts) void part.then(draw, () => {});
  await Promise.all(parts);
};

async function recentHeaders(net: Net, nodeId: Hex, signal: AbortSignal): Promise<Part> {
  const { events } = await listHeaders(net, { nodeId, enough: 5, signal });
  return events.length === 0 ? html`<p class="empty">It has posted none.</p>` : headerTable(net, events.slice(0, 5));
}

async function policyFacts(net: Net, { policyId, workload, key }: ShownNode): Promise<Part> {
  const policies = { address: net.settlement.address("MeasurementPolicy"), abi: iMeasurementPolicyAbi } as const;
  const image = key && (await net.settlement.client.readContract({ ...policies, functionName: "image", args: [policyId, workload, key.imageId] }));
  return facts([
    ["Image policy", BigInt(policyId) === 0n ? "the network's default (0)" : hashPart(policyId)],
    ["Workload", html`${WORKLOADS.get(workload) ?? "an own one"} <span class="quiet">${hashPart(workload)}</span>`],
    key ? ["Image", hashPart(key.imageId)] : null,
    image ? ["Approved", image.approvedFrom === 0n ? "never" : `from ${moment(image.approvedFrom)}`] : null,
    image && image.revokedAt > 0n ? ["Revoked", html`${badge("bad", moment(image.revokedAt))}${image.compromisedSince > 0n ? html` compromised since ${moment(image.compromisedSince)}` : nothing}`] : null,
    ["What that means", "the attestation's verifier saw this measurement, and the policy's owner vouches for it"],
  ]);
}

function happened(event: Awaited<ReturnType<typeof lifeOf>>[number]): Part {
  switch (event.eventName) {
    case "NodeStatusChanged":
      return html`${nameOf(NodeStatus, event.args.from)} → ${nodeBadge(event.args.to)}`;
    case "EndpointChanged":
      return html`moved to ${outsideLink(event.args.endpoint)}`;
    case "OperatorTransferred":
      return html`operator is now ${hashPart(event.args.to)}`;
    case "KeyEpochCompromised":
      return html`${badge("bad", "key compromised")} since ${moment(event.args.since)}`;
    case "BondSlashed":
      return html`${badge("bad", "slashed")} ${amount(event.args.amount, 18)}, of which ${amount(event.args.burnt, 18)} burnt; reporter ${hashPart(event.args.reporter)}`;
    case "BondAdded":
      return `bond of ${amount(event.args.amount, 18)} added`;
    case "BondExiting":
      return `${amount(event.args.amount, 18)} leaves, from ${moment(event.args.exitAt)}`;
    case "BondWithdrawn":
      return `${amount(event.args.amount, 18)} withdrawn`;
  }
}
