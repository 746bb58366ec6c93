/** Data feeds: the list, and one of them. */
import { html, nothing } from "lit-html";
import type { Hex } from "viem";
import { iDataFeedsAbi } from "../../../types/abi/IDataFeeds.ts";
import { eventsBackwards } from "../chain/logs.ts";
import { amount, clean, count, duration, short } from "../format.ts";
import type { Net } from "../net.ts";
import { type Loader, NotFound } from "../page.ts";
import { hashArg, numberArg } from "../router.ts";
import { ago, badge, facts, hashPart, outsideLink, section, table, time, wholeHash } from "../ui/parts.ts";

const PAGE = 25n;
const ANSWERS = 25;

const contract = (net: Net) => ({ address: net.settlement.address("DataFeeds"), abi: iDataFeedsAbi }) as const;

async function readFeed(net: Net, feedId: Hex) {
  const { client } = net.settlement;
  const [definition, answer] = await Promise.all([client.readContract({ ...contract(net), functionName: "definition", args: [feedId] }), client.readContract({ ...contract(net), functionName: "peek", args: [feedId] })]);
  return { feedId, definition, answer };
}

type Feed = Awaited<ReturnType<typeof readFeed>>;
const fresh = ({ definition, answer }: Feed, now: bigint) =>
  answer.updatedAt === 0n ? badge("plain", "no answer yet") : now - answer.updatedAt <= BigInt(definition.maxAge) ? badge("good", "fresh") : badge("wait", "stale");

export const feeds: Loader = async (net, { query }, { show }) => {
  const [ids, next] = await net.settlement.client.readContract({ ...contract(net), functionName: "feeds", args: [numberArg(query.get("from")) ?? 0n, PAGE] });
  const rows = await Promise.all(ids.map((id) => readFeed(net, id)));
  const { timestamp } = await net.settlement.client.getBlock();
  show({
    title: "Data feeds",
    body: html`
      <p class="lead">Outside facts, observed inside enclaves; the answer is the median of one observation an operator. A contract that reads with <code>readFresh</code> gets no stale one.</p>
      ${section("Feeds", table("Feeds", [{ title: "Name" }, { title: "Feed" }, { title: "Answer", number: true }, { title: "State" }, { title: "As of" }, { title: "Operators", number: true }, { title: "Round", number: true }], rows.map((feed) => [
        html`<a href=${`#/feed/${feed.feedId}`}>${clean(feed.definition.name, 60)}</a>`, hashPart(feed.feedId, `#/feed/${feed.feedId}`), feed.answer.updatedAt === 0n ? "none" : amount(feed.answer.value, feed.definition.decimals), fresh(feed, timestamp),
        feed.answer.updatedAt === 0n ? "never" : ago(feed.answer.updatedAt, net.now()), count(feed.answer.operators), count(feed.answer.round),
      ]), "No feed was created here. Anyone may create one: DataFeeds.createFeed."))}
      ${next === 0n ? nothing : html`<nav class="pager" aria-label="More feeds"><a href=${`#/feeds?from=${next}`}>Next</a></nav>`}`,
  });
};

export const feed: Loader = async (net, { args: [text] }, { show, signal }) => {
  const feedId = hashArg(text);
  if (!feedId) throw new NotFound("The feed id in the address is none.", "A feed id has 0x and 64 hexadecimal digits.");
  const found = await readFeed(net, feedId);
  const { definition, answer } = found;
  if (definition.period === 0) throw new NotFound(`Chain ${net.settlement.chain.id} has no feed ${short(feedId)}.`, "Look at the list of feeds.");
  const [own, { events }, { timestamp }] = await Promise.all([
    net.settlement.client.readContract({ ...contract(net), functionName: "feedIdOf", args: [definition] }),
    eventsBackwards(net.settlement, { ...contract(net), names: ["AnswerUpdated"], topics: [feedId] }, { enough: ANSWERS, signal }),
    net.settlement.client.getBlock(),
  ]);
  const now = net.now();
  show({
    title: clean(definition.name, 80),
    body: html`
      <p class="state">${fresh(found, timestamp)}<strong>${answer.updatedAt === 0n ? "" : amount(answer.value, definition.decimals)}</strong></p>
      ${section("Feed", facts([
        ["Feed id", html`${wholeHash(feedId)}${own.toLowerCase() === feedId ? badge("good", "the hash of its definition") : badge("bad", "NOT the hash of its definition")}`],
        ["Newest answer", answer.updatedAt === 0n ? "none yet" : time(answer.updatedAt, now)],
        ["Round", html`${count(answer.round)} <span class="quiet">of ${duration(definition.period)}</span>`],
        ["Operators needed", count(definition.minOperators)],
        ["Fresh for", duration(definition.maxAge)],
        ["Farthest from the median", definition.maxDeviationBps === 0 ? "no limit" : `${definition.maxDeviationBps / 100} %`],
        ["Image policy", BigInt(definition.policyId) === 0n ? "the network's default" : hashPart(definition.policyId)],
        ["Sources", definition.sources.map((source, index) => html`<div>${outsideLink(source)} <span class="quiet">${BigInt(definition.tlsPins[index] ?? 0) === 0n ? "" : html`pinned to ${hashPart(definition.tlsPins[index]!)}`}</span></div>`)],
      ]))}
      ${section("Newest answers", table("Answers", [{ title: "Round", number: true }, { title: "Answer", number: true }, { title: "Operators", number: true }, { title: "Oldest observation" }, { title: "Transaction" }], events.slice(0, ANSWERS).map(({ args, transactionHash }) => [
        count(args.round), amount(args.value, definition.decimals), count(args.operators), ago(args.updatedAt, now), hashPart(transactionHash!),
      ]), "No round was closed lately."))}`,
  });
};
