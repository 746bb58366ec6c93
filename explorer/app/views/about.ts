import { html } from "lit-html";
import type { Loader } from "../page.ts";
import { facts, section } from "../ui/parts.ts";

export const about: Loader = async (net, _route, { show }) => {
  show({
    title: "What is checked, and what is taken on trust",
    body: html`
      ${section("Checked in this browser", html`<ul class="prose">
        <li><strong>A header</strong>: its hash is recomputed from the event or from the posting call, and its signature is checked against the key that the registry holds.</li>
        <li><strong>A batch</strong>: the blob's content hash is the header's; every leaf's signature, the order, the intervals, the sums and both roots are recomputed, and charges are compared with the tariffs behind the terms. The code is the SDK's, which full nodes and <code>og verify batch</code> run.</li>
        <li><strong>A receipt</strong>: digest, signature, key epoch, and the path from its leaf to the root of a header that the chain has. A full node that gives a wrong proof is found out.</li>
        <li><strong>A certificate</strong>: each member's signature, the list of members against the chain's, and the stake behind them.</li>
        <li><strong>A model version</strong>: its id is the hash of what stands under it.</li></ul>`)}
      ${section("Taken on trust", html`<ul class="prose">
        <li><strong>The RPC endpoints</strong>, for what the chains say: statuses, keys, events. This page is no light client. Who runs an endpoint of his own gives it in explorer.json.</li>
        <li><strong>Who serves this page</strong>, for the page itself. <code>npm run explorer</code> serves it from your own machine.</li>
        <li><strong>Aggregators and full nodes</strong> for nothing but being there: what they give is checked, what they hold back is missing.</li>
        <li><strong>The reader's clock</strong>, for “ago” only.</li></ul>`)}
      ${section("Nobody can see from here", html`<ul class="prose">
        <li>That a receipt's request and answer are what was asked and answered: both are committed to under a salt that only payer and node have.</li>
        <li>That an attested image does what its source says: the attestation names a measurement, the policy's owner vouches for it.</li>
        <li>That the output of a vanilla receipt is right: the node's word, until somebody proves the opposite.</li></ul>`)}
      ${section("Marks", facts([
        ["✓", "checked here, and it holds"],
        ["✗", "checked here, and it does not hold; or the chain decided against it"],
        ["…", "not decided yet"],
      ]))}
      ${section("This network", facts([
        ["Settlement chain", html`${net.settlement.chain.id}, <code>${net.settlement.rpcUrl}</code>`],
        ["InferenceSettlement", html`<code>${net.domain.verifyingContract}</code>`],
        ["Payment chain", net.payment ? html`${net.payment.chain.id}, <code>${net.payment.rpcUrl}</code>` : "none"],
        ["Aggregators", net.aggregators.length > 0 ? net.aggregators.map((url) => html`<div><code>${url}</code></div>`) : "none"],
        ["Full nodes", net.ledgers.length > 0 ? net.ledgers.map((url) => html`<div><code>${url}</code></div>`) : "none"],
      ]))}`,
  });
};
