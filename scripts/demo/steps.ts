import { rm, writeFile } from "node:fs/promises";
import type { NetworkFile } from "../../sdk/cli/network.ts";
import { privateKey } from "../devnet/accounts.ts";
import { startChain } from "../devnet/chains.ts";
import { deployNetwork, devnetPath } from "../devnet/deploy.ts";
import { startFeed } from "../devnet/feed.ts";
import { publishModels } from "../devnet/models.ts";
import { freePorts } from "../devnet/ports.ts";
import type { ProcessGroup } from "../devnet/processes.ts";
import { access, type DemoContext } from "./context.ts";
import { inferences } from "./inferences.ts";
import { startKeepers } from "./network.ts";
import type { Recorder } from "./report.ts";
import { settlements } from "./settlements.ts";

/** Runs every step in order. @returns Lines about what runs now, for `--keep`. */
export async function runSteps(recorder: Recorder, processes: ProcessGroup, print: (line: string) => void): Promise<string[]> {
  const context = { processes, print, answers: new Map() } as unknown as DemoContext;
  const detail = (line: string) => print(`                       ${line}`);
  // Each run starts from nothing: chains live in memory, so what an earlier run left on disk belongs to other chains.
  for (const part of ["data", "walrus"]) await rm(devnetPath(part), { recursive: true, force: true });
  const [settlementPort, paymentPort, walrusPort, ...opsPorts] = (await freePorts(8)) as [number, number, number, ...number[]];

  await recorder.run("chains", "two local chains with JSON-RPC", async () => {
    [context.settlement, context.payment] = await Promise.all([
      startChain(processes, "settlement", settlementPort),
      startChain(processes, "payment", paymentPort),
    ]);
    return { detail: `settlement ${context.settlement.chain.id}, payment ${context.payment.chain.id}`, value: undefined };
  });

  await recorder.run("deploy", "all contracts, the development root, test money", async () => {
    context.network = await deployNetwork(context.settlement, context.payment, devnetPath("root.json"));
    const { contracts, gas } = context.network;
    return { detail: `${contracts} contracts on two chains`, gas, value: undefined };
  });

  await recorder.run("models", "three models, a circuit and a language model: to Walrus and the registry", async () => {
    context.walrusUrl = `http://127.0.0.1:${walrusPort}`;
    await processes.start({
      name: "walrus",
      command: [process.execPath, "keepers/bin/walrus.ts", "--directory", devnetPath("walrus"), "--port", String(walrusPort)],
      ready: async () => (await fetch(`${context.walrusUrl}/v1/blobs/${"A".repeat(43)}`)).status === 404,
    });
    const settlement = access(context.settlement, context.network.settlementFile);
    context.models = await publishModels(context.settlement, settlement, context.walrusUrl, detail);
    const sent = Object.values(context.models.published).flatMap((model) => model.transactions);
    const gas = sent.reduce((sum, transaction) => sum + transaction.gas, 0n);
    return { detail: `${Object.keys(context.models.published).length} versions published`, tx: sent.at(-1)?.hash, gas, value: undefined };
  });

  await recorder.run("keepers", "one inference, one data and three full nodes, each admitted by bond and attestation", async () => {
    context.feed = await startFeed(context.settlement, context.network);
    return startKeepers(context, opsPorts);
  });

  await inferences(recorder, context);
  await settlements(recorder, context);
  await context.feed.stop();

  const og: NetworkFile = {
    settlement: { rpcUrl: context.settlement.rpcUrl, addresses: context.network.settlementFile },
    payment: { rpcUrl: context.payment.rpcUrl, addresses: context.network.paymentFile },
    walrus: { publisher: context.walrusUrl, aggregators: [context.walrusUrl] },
  };
  await writeFile(devnetPath("og.json"), `${JSON.stringify(og, null, 2)}\n`);
  return [
    `network file      ${devnetPath("og.json")}`,
    `payer's key       ${privateKey("payer")} (a test key that everybody knows)`,
    `settlement chain  ${context.settlement.rpcUrl} (${context.settlement.chain.id}), ${context.network.settlementFile}`,
    `payment chain     ${context.payment.rpcUrl} (${context.payment.chain.id}), ${context.network.paymentFile}`,
    `inference node    ${context.session.info.endpoint}`,
    `blob store        ${context.walrusUrl}`,
    ...context.keepers.map(({ name, opsUrl }) => `${name.padEnd(17)} ${opsUrl}`),
  ];
}
