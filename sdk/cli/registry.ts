import { readFileSync, writeFileSync } from "node:fs";
import { Command } from "commander";
import { type Hex, createWalletClient, http, keccak256 } from "viem";
import { programHash } from "../models/package.ts";
import { publishModel } from "../models/publish.ts";
import { allModels, modelById } from "../network/models.ts";
import { activeNodes, nodeById, registryKey } from "../network/nodes.ts";
import { Role, type Value, Verification } from "../protocol/enums.ts";
import { NETWORK_OPTION, callerKey, openNetwork, printTable, walrusStore } from "./network.ts";

/** `og node`: who serves. */
export function nodeCommand(): Command {
  const node = new Command("node").description("nodes in the registry");
  node
    .command("list")
    .description("active nodes of all roles")
    .option(...NETWORK_OPTION)
    .action(async ({ network }: { network?: string }) => {
      const { settlement } = await openNetwork(network);
      const nodes = (await Promise.all(Object.values(Role).map((role: Value<typeof Role>) => activeNodes(settlement, role)))).flat();
      printTable(["node", "role", "status", "heartbeat", "endpoint"], nodes.map((info) => [info.nodeId, info.role, info.status, String(info.lastHeartbeat), info.endpoint]));
    });
  node
    .command("show <nodeId>")
    .description("everything that the registry holds of a node, and its key")
    .option(...NETWORK_OPTION)
    .action(async (nodeId: string, { network }: { network?: string }) => {
      const { settlement } = await openNetwork(network);
      const info = await nodeById(settlement, nodeId as Hex);
      for (const [name, value] of Object.entries(info)) console.log(`${name.padEnd(18)} ${String(value)}`);
      if (BigInt(info.keyId) === 0n) return;
      const key = await registryKey(settlement, info.keyId, BigInt(Math.floor(Date.now() / 1000)));
      console.log(`${"key".padEnd(18)} ${key.publicKey}, ${key.valid ? "valid now" : "NOT valid now"}`);
    });
  return node;
}

/** `og model`: what is served. */
export function modelCommand(): Command {
  const model = new Command("model").description("models in the registry and on Walrus");
  model
    .command("list")
    .description("all published versions")
    .option(...NETWORK_OPTION)
    .action(async ({ network }: { network?: string }) => {
      const { settlement } = await openNetwork(network);
      const models = await allModels(settlement);
      printTable(["model", "name", "version", "kind", "methods", "set-up", "royalty", "licence"], models.map((info) => [
        info.modelId, info.name, info.version, info.kind, info.methods.join("+"), info.setupLevel === undefined ? "-" : String(info.setupLevel), `${info.royaltyBps / 100} %`, info.licence,
      ]));
    });
  model
    .command("download <modelId> <file>")
    .description("fetches a version's package from Walrus, checked against the registry's content hash")
    .option(...NETWORK_OPTION)
    .action(async (modelId: string, file: string, { network }: { network?: string }) => {
      const opened = await openNetwork(network);
      const info = await modelById(opened.settlement, modelId as Hex);
      const { blobs, close } = walrusStore(opened.file.walrus);
      const bytes = await blobs.read(info.blobId, { contentHash: info.contentHash });
      writeFileSync(file, bytes);
      await close();
      console.log(`${info.name} ${info.version}: ${bytes.length} bytes in ${file}, keccak256 ${keccak256(bytes)} as the registry says`);
    });
  model
    .command("publish <onnx>")
    .description("stores an ONNX file on Walrus and publishes it as a float model")
    .requiredOption("--name <name>")
    .requiredOption("--model-version <version>", "e.g. 1.0.0")
    .option("--licence <spdx>", "SPDX expression", "MIT")
    .option("--royalty-bps <n>", "hundredths of a percent of each charge, paid to the publisher", "0")
    .option(...NETWORK_OPTION)
    .action(async (file: string, options: { name: string; modelVersion: string; licence: string; royaltyBps: string; network?: string }) => {
      const opened = await openNetwork(options.network);
      const { settlement } = opened;
      const account = callerKey([settlement.chain.id]);
      const wallet = createWalletClient({ chain: settlement.chain, transport: http(settlement.rpcUrl), account });
      const { blobs, close } = walrusStore(opened.file.walrus);
      const bytes = new Uint8Array(readFileSync(file));
      const royaltyBps = Number(options.royaltyBps);
      const published = await publishModel(settlement, wallet, account, blobs, {
        name: options.name, version: options.modelVersion, kind: "float", programHash: programHash("float", bytes), bytes,
        methods: [Verification.Tee, Verification.Vanilla], licence: options.licence, ...(royaltyBps > 0 ? { royaltyTo: account.address, royaltyBps } : {}),
      });
      await close();
      console.log(`model  ${published.modelId}\nblob   ${published.blobId}`);
      for (const { hash, gas } of published.transactions) console.log(`sent   ${hash} (${gas} gas)`);
      if (published.transactions.length === 0) console.log("sent   nothing: this version is published already");
    });
  return model;
}
