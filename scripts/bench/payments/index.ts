/** Suite `payments`: gas of the escrow, and paid requests over real HTTP with server and client in one process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { x402Client } from "@x402/core/client";
import { toClientEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { wrapFetchWithPayment } from "@x402/fetch";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { systemClock } from "../../../keepers/clock/index.ts";
import { claimScheduler } from "../../../keepers/payments/claims.ts";
import { openStore } from "../../../keepers/storage/index.ts";
import { type World, world } from "../../../test/payments/fixture.ts";
import { type TestNode, type WireReceipt, account, payer, startNode, view } from "../../../test/payments/node.ts";
import type { Suite } from "../suite.ts";
import { gasFigures } from "./gas.ts";
import { stockServer } from "./stock.ts";

const CHANNELS = 8;
const REQUESTS = 400;
const ROUNDS = 3;

export default {
  title: "Payments: gas through the escrow; paid requests on 8 channels, client and server in one process",
  asked: {
    "claim-1": "<= 110,000", "claim-50-each": "<= 28,000", "release-50-each": "<= 14,000", "ack-release": "<= 60,000", refund: "<= 70,000",
    "voucher-overhead-ms": "<= 15", "first-chunk-ms": "<= 40", "paid-per-second": ">= 200", "stock-paid-per-second": "134 on the reference", "concurrent-6": "6",
  },
  async run(print) {
    const gas = await gasFigures(await world(), print);
    print("gas measured");
    const w = await world();
    // The node's database is a file, synced at each commit, as a keeper's; the stock stack keeps its channels in memory.
    const dir = mkdtempSync(join(tmpdir(), "og-bench-"));
    const node = await startNode(w, { exposureCap: 10n ** 9n, store: openStore(join(dir, "node.sqlite")) });
    const following = setInterval(() => void node.gate.watch.step(), 2_000);
    const stock = await stockServer(w, node);
    const payers = await Promise.all(Array.from({ length: CHANNELS }, () => payer(w, node)));
    const once = async (post: (typeof payers)[number]["post"], body: object = { charge: 1 }) => {
      const paid = await post(body);
      await paid.confirm(view(((await paid.response.json()) as { receipt: WireReceipt }).receipt));
    };
    for (const { post } of payers) await once(post, { charge: 1 });
    print("8 channels open");

    const lanes = { ours: payers.map(({ post }) => () => once(post)), stock: await stockClients(w, node, stock.url) };
    const rates: Record<keyof typeof lanes, number[]> = { ours: [], stock: [] };
    // By turns, for the machine's other work to meet both alike; the first round warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const stack of ["ours", "stock"] as const) {
        const perSecond = await rate(lanes[stack]);
        if (round > 0) rates[stack].push(perSecond);
        print(`${Math.round(perSecond)} paid requests a second, ${stack}${round === 0 ? " (warming up)" : ""}`);
      }
    }
    const paidPerSecond = middle(rates.ours);
    const stockPerSecond = middle(rates.stock);

    const [first] = payers as [(typeof payers)[number]];
    const paid = await median(100, () => once(first.post));
    const free = await median(100, async () => {
      await (await fetch(`${stock.url}/free`, { method: "POST", body: JSON.stringify({ charge: 1 }) })).json();
    });
    const firstChunk = await median(9, async () => {
      const answer = await first.post({ charge: 1, stream: true, chunks: 2 });
      const reader = answer.response.body!.getReader();
      const { value } = await reader.read();
      const at = performance.now();
      let text = new TextDecoder().decode(value);
      for (let part = await reader.read(); !part.done; part = await reader.read()) text += new TextDecoder().decode(part.value);
      const last = text.trim().split("\n").filter((line) => line.startsWith("data: ")).at(-1)!;
      await answer.confirm(view((JSON.parse(last.slice(6)) as { receipt: WireReceipt }).receipt));
      return at;
    });
    const six = await Promise.all(Array.from({ length: 6 }, () => once(first.post, { charge: 1, delay: 5 }).then(() => 1)));

    const scheduler = claimScheduler({
      book: node.gate.book, clock: systemClock(), client: node.client as never, watch: node.gate.watch, tx: node.tx, chainId: w.chainId, escrow: w.addresses.PaymentEscrow,
      authorizer: node.authorizer as never, sender: account(5).address, policy: { exposure: 1n, ageMs: 1, maxRows: 50 },
    });
    await scheduler.run(true);
    const unclaimed = Number(scheduler.exposure());
    clearInterval(following);
    await node.close();
    stock.close();
    rmSync(dir, { recursive: true });
    return {
      ...gas,
      "voucher-overhead-ms": round(paid - free),
      "first-chunk-ms": round(firstChunk),
      "paid-per-second": round(paidPerSecond),
      "stock-paid-per-second": round(stockPerSecond),
      "concurrent-6": six.length,
      "unclaimed-at-the-end": unclaimed,
    };
  },
} satisfies Suite;

const round = (value: number) => Math.round(value * 10) / 10;

/** Every lane works through its share, one request at a time. */
async function rate(lanes: (() => Promise<unknown>)[]): Promise<number> {
  const started = performance.now();
  await Promise.all(lanes.map(async (lane) => {
    for (let i = 0; i < REQUESTS / lanes.length; i++) await lane();
  }));
  return (REQUESTS * 1_000) / (performance.now() - started);
}

/** Milliseconds; `work` may say itself when it was done. */
async function median(times: number, work: () => Promise<number | void>): Promise<number> {
  const list: number[] = [];
  for (let i = 0; i < times; i++) {
    const started = performance.now();
    const at = await work();
    list.push((at ?? performance.now()) - started);
  }
  return middle(list);
}

const middle = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!;

async function stockClients(w: World, node: TestNode, url: string): Promise<(() => Promise<unknown>)[]> {
  const network = `eip155:${w.chainId}` as const;
  return Promise.all(Array.from({ length: CHANNELS }, async () => {
    const signer = privateKeyToAccount(generatePrivateKey());
    await w.token.mint(signer.address, 1_000_000n);
    const scheme = new BatchSettlementEvmScheme(toClientEvmSigner(signer as never, node.client as never));
    const paid = wrapFetchWithPayment(fetch, new x402Client().register(network, scheme).setSpendControls(false));
    const call = async () => (await paid(`${url}/v1/chat`, { method: "POST", body: '{"charge":1}' })).json();
    await call();
    return call;
  }));
}
