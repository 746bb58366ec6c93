import { expect } from "chai";
import type { Hex } from "viem";
import { encodeRun } from "../../sdk/protocol/index.ts";
import { build, makeRun, PLAIN, receipt, terms } from "../settlement/builder.ts";
import { findChromium, startBrowser } from "./browser.ts";
import { explorerNetwork, type ExplorerNetwork } from "./network.ts";
import { openPage, type Page } from "./page.ts";

/** A batch that needs three pages of receipts. */
const COUNT = 60;

describe("explorer: a real chain, its batches and receipts on the page", () => {
  let network: ExplorerNetwork;
  let page: Page;
  let good: Awaited<ReturnType<ExplorerNetwork["poster"]["post"]>>;
  let faulty: typeof good;
  let individual: { hash: Hex };
  let hostile: Hex;

  before(async () => {
    network = await explorerNetwork();
    const { rig, poster } = network;
    const { world } = rig;
    good = await poster.post({ count: COUNT });
    hostile = await poster.publish("<img src=x onerror=alert(1)>\u202egpj", undefined, 0, { licence: 'javascript:alert(1)"><script>x</script>' });
    // The next in the node's chain, settled in its call.
    const own = terms(poster.node);
    const built = await build(world, poster.node, [receipt(poster.node, await world.now(), { modelId: hostile })], PLAIN);
    await world.settlement.settleRun(encodeRun(makeRun(built, own)));
    individual = built;
    await network.settleAll();
    // Posted last and left alone: nobody has objected yet.
    faulty = await poster.post({ count: 8, payment: "faulty", leaves: (leaves) => leaves.map((leaf, index) => (index === 5 ? { ...leaf, signature: leaves[4]!.signature } : leaf)) });
    page = await openPage(network.server.url);
  });
  after(async () => {
    await page?.close();
    await network?.stop();
  });

  it("overview and list: every header with its state on chain", async () => {
    await page.open("#/", /Newest headers.*Final.*Posted|Newest headers.*Posted.*Final/);
    expect(page.title()).to.equal("Overview · OpenGradient explorer");
    const text = await page.open("#/batches", /Batches and settlements.*Posted.*Final.*Final/);
    expect(text).to.match(/Posted batch.*Final individual.*Final batch/);
    expect(await page.open(`#/batches?node=${good.header.nodeId}`, /Headers of a node.*Show all.*batch/)).to.match(/8 /);
  });

  it("a final batch: hash, signature, certificate, every leaf and both roots, checked here", async () => {
    const text = await page.open(`#/batch/${good.hash}`, /How it went.*Both roots, recomputed here, are the header's.*No charge is above/);
    expect(text).to.match(/Holds: Its hash, recomputed here from all fields, is the one above/);
    expect(text).to.match(/Holds: Signed by the key that the registry holds/);
    expect(text).to.match(/Posted with a lock.*Certified by committee epoch 1.*Final the window is over/);
    expect(text).to.match(/signatures checked here 3 of 3 seats of epoch 1/);
    expect(text).to.match(/Every leaf \(60\) is signed by the node's key/);
    expect(text).to.match(/0 to 24 of 60/);
    expect(text).to.not.match(/Fails:/);
  });

  it("receipts page by page, to the last", async () => {
    page.click("button", "Next");
    await page.see(/25 to 49 of 60/);
    page.click("button", "Last");
    await page.see(/50 to 59 of 60/);
    expect(page.document.querySelectorAll("a[href^='#/receipt/']")).to.have.length(10);
    expect(page.document.querySelector(`a[href='#/receipt/${good.hash}/59']`)).to.not.equal(null);
  });

  it("an aggregator that lies is named, and the batch is checked with the next one's bytes", async () => {
    const bytes = network.blobs.get(good.header.blobId)!.slice();
    bytes[bytes.length - 20]! ^= 1;
    network.bent.set(good.header.blobId, bytes);
    await page.open("#/about", /Taken on trust/);
    const text = await page.open(`#/batch/${good.hash}`, /How it went.*Both roots, recomputed here/);
    expect(text).to.match(/via\/walrus\/0: its bytes have another content hash than the header names/);
    network.bent.clear();
  });

  it("a faulty batch is shown as such before anybody has objected on chain", async () => {
    const text = await page.open(`#/batch/${faulty.hash}`, /How it went.*FAULT/);
    expect(text).to.match(/FAULT signature at leaf 5: the signature is not the key's/);
    expect(text).to.match(/Posted Can be final/);
    expect(text).to.match(/the fault is the node's/);
  });

  it("an individual settlement: its receipts come out of the posting call and are checked", async () => {
    const text = await page.open(`#/batch/${individual.hash}`, /How it went.*The receipts root, recomputed here, is the header's/);
    expect(text).to.match(/Every receipt \(1\) is signed by the node's key.*The charges come to the header's 100/);
    expect(text).to.match(/Final at once/);
    const receiptText = await page.open(`#/receipt/${individual.hash}/0`, /Genuine and included/);
    expect(receiptText).to.match(/come from: posting call/);
  });

  it("a receipt by its place in the batch, and by its digest: a full node's proof against the header on chain", async () => {
    const text = await page.open(`#/receipt/${good.hash}/17`, /Genuine and included/);
    expect(text).to.match(/Leaf 17 of 60: the path leads to the header's receipts root/);
    expect(text).to.match(/What this proves, and what not/);
    const digest = /Digest (0x[0-9a-f]{64})/.exec(text)![1]!;
    expect(await page.open(`#/receipt/${digest}`, /Genuine and included/)).to.match(/The receipt's digest, recomputed here, is the one that was asked for/);
    page.type("#q", digest);
    page.click("form button", "Search");
    await page.see(new RegExp(`Receipt ${digest.slice(0, 8)}`));
  });

  it("a full node that gives a wrong proof, another receipt or a form of its own is found out", async () => {
    const { digest } = (await (await fetch(`${network.server.url}/via/ledger/0/ledger/headers/${good.hash}/receipts/17`)).json()) as { digest: Hex };
    const path = `/ledger/receipts/${digest}`;
    const cases: [string, (honest: Record<string, unknown>) => unknown, RegExp][] = [
      ["a bent path", (honest) => ({ ...honest, path: [...(honest.path as Hex[]).slice(1), `0x${"11".repeat(32)}`] }), /Does not hold.*Fails: The path does NOT lead/],
      ["a higher charge", (honest) => ({ ...honest, receipt: { ...(honest.receipt as object), charge: "1000000" } }), /Does not hold.*Fails: This is another receipt.*Fails: NOT signed/],
      ["another header", (honest) => ({ ...honest, header: faulty.hash }), /Does not hold.*Fails: The path does NOT lead/],
      ["no header of this chain", (honest) => ({ ...honest, header: `0x${"22".repeat(32)}` }), /Nobody gave this receipt.*names a header that the chain does not have/],
      ["markup", () => ({ header: "<img src=x onerror=alert(1)>", path: [], signature: "0x00", receipt: {} }), /Nobody gave this receipt.*its header is no hash/],
    ];
    for (const [name, lie, wanted] of cases) {
      network.lies.set(path, lie);
      await page.open("#/about", /Taken on trust/);
      await page.open(`#/receipt/${digest}`, wanted).catch((error: unknown) => expect.fail(`${name}: ${String(error)}`));
    }
    network.lies.clear();
  });

  it("without any full node the batch's own blob gives the proof", async () => {
    const alone = await openPage(network.server.url, (net) => ({ ...net, ledgers: [] }));
    const text = await alone.open(`#/receipt/${good.hash}/3`, /Genuine and included/);
    expect(text).to.match(/come from: blob from .*via\/walrus\/1/);
    expect(text).to.match(/Verification Tee/);
    await alone.close();
  });

  it("nodes, models, committee, payments, health", async () => {
    expect(await page.open("#/nodes", /Newest first.*Inference.*Full/)).to.match(/Active/);
    expect(await page.open(`#/node/${good.header.nodeId}`, /Key epochs, newest first.*Its newest headers.*What happened to it/)).to.match(/Image policy the network's default/);
    expect(await page.open("#/models", /Model versions.*free/)).to.match(/no proofs/);
    expect(await page.open(`#/model/${network.poster.plain}`, /Versions of this name/)).to.match(/Holds: Its id, recomputed here, is the hash of what stands under it/);
    expect(await page.open("#/committee", /Members of epoch 1/)).to.match(/The list of members, hashed here/);
    expect(await page.open("#/payments", /Verdicts, newest first/)).to.match(/has the list here that the settlement chain has.*Final/);
    expect(await page.open("#/health", /Every invariant holds/)).to.not.match(/BROKEN/);
    expect(await page.open("#/feeds", /No feed was created here/)).to.match(/Data feeds/);
    expect(await page.open(`#/payment/${good.leaves[0]!.receipt.paymentId}`, /as a full node lists them.*check/)).to.match(/knows no channel/);
  });

  it("somebody's text stays text: no element, no handler, no script address comes of it", async () => {
    await page.open("#/models", /onerror/);
    expect(page.document.querySelector("img, script, [onerror]")).to.equal(null);
    await page.open(`#/model/${hostile}`, /Licence.*javascript:alert/);
    expect(page.html()).to.not.match(/href="javascript:/i);
    expect(page.html()).to.not.include("\u202e");
    expect(page.title()).to.include("<img src=x onerror=alert(1)>");
    await page.open(`#/search?q=${encodeURIComponent("<script>alert(1)</script>")}`, /No model's name has this/);
    expect(page.document.querySelector("script")).to.equal(null);
    await page.open("#/__proto__/constructor", /There is no page/);
  });

  it("what does not exist is said, with what to do", async () => {
    expect(await page.open(`#/batch/0x${"ab".repeat(32)}`, /has no header/)).to.match(/If it was posted a moment ago, reload/);
    expect(await page.open("#/batch/12", /The hash in the address is none/)).to.match(/64 hexadecimal digits/);
    expect(await page.open(`#/node/0x${"ab".repeat(32)}`, /has no node/)).to.match(/Look at the list/);
    expect(await page.open(`#/model/0x${"ab".repeat(32)}`, /has no model/)).to.match(/full node signs/);
    expect(await page.open("#/search?q=", /Type a header's/)).to.match(/Search/);
  });

  it("an endpoint that does not answer is an error with what to do, and the page stays", async () => {
    const dead = await openPage(network.server.url, (net) => ({ ...net, settlement: { ...net.settlement, client: { ...net.settlement.client, getBlock: async () => Promise.reject(new Error("connection refused")) } as never } }));
    expect(await dead.open("#/", /could not be loaded/)).to.match(/connection refused.*Check that the RPC endpoint/);
    await dead.open("#/about", /Taken on trust/);
    await dead.close();
  });

  it("every page has one h1, a title of its own, labelled fields and named tables", async () => {
    const titles = new Set<string>();
    for (const [hash, wanted] of [["#/", /Newest headers.*Final/], ["#/batches", /Newest first.*Final/], ["#/nodes", /Active/], ["#/models", /free/], ["#/committee", /Epoch 1/], ["#/payments", /Verdicts/], ["#/health", /Every invariant/], ["#/about", /Taken on trust/]] as const) {
      await page.open(hash, wanted);
      expect(page.document.querySelectorAll("h1"), hash).to.have.length(1);
      for (const input of page.document.querySelectorAll("input")) expect(input.closest("label") ?? page.document.querySelector(`label[for='${input.id}']`), `${hash} ${input.id}`).to.not.equal(null);
      for (const found of page.document.querySelectorAll("table")) expect(found.querySelector("caption")?.textContent, hash).to.not.equal("");
      expect(page.document.querySelectorAll("nav [aria-current='page']"), hash).to.have.length(1);
      titles.add(page.title());
    }
    expect(titles.size).to.equal(8);
  });

  const chromium = findChromium();
  (chromium ? it : it.skip)(`in a real browser, with its worker and under its own policy${chromium ? "" : " (skipped: no Chromium is installed)"}`, async () => {
    const browser = await startBrowser(chromium!);
    try {
      await browser.open(`${network.server.url}/#/batch/${good.hash}`, /Every leaf \(60\) is signed by the node's key.*Both roots, recomputed here, are the header's/);
      await browser.open(`${network.server.url}/#/batch/${faulty.hash}`, /FAULT signature at leaf 5/);
      await browser.open(`${network.server.url}/#/receipt/${good.hash}/17`, /Genuine and included/);
      expect(browser.complaints).to.deep.equal([]);
    } finally {
      await browser.close();
    }
  });
});
