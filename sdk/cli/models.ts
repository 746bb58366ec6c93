import { readFileSync, statSync, writeFileSync } from "node:fs";
import { Command } from "commander";
import { type Address, type Hex, createWalletClient, http, isAddress, isHex, size, zeroHash } from "viem";
import { integerPublication } from "../models/integer.ts";
import { verifyPackage } from "../models/manifest.ts";
import { programHash } from "../models/package.ts";
import { deprecateModel, type Publication, publishModel } from "../models/publish.ts";
import { allModels, modelById, versionsOf } from "../network/models.ts";
import type { ChainAccess } from "../network/network.ts";
import { type Value, Verification } from "../protocol/enums.ts";
import { CliError, NETWORK_OPTION, callerKey, openNetwork, printTable, walrusStore } from "./network.ts";

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
      printTable(["model", "name", "version", "kind", "methods", "set-up", "royalty", "licence", ""], models.map((info) => [
        info.modelId, info.name, info.version, info.kind, info.methods.join("+"), info.setupLevel === undefined ? "-" : String(info.setupLevel), `${info.royaltyBps / 100} %`, info.licence,
        info.deprecated ? "deprecated" : "",
      ]));
    });
  model
    .command("show <modelId>")
    .description("everything that the registry holds of a version, and the other versions of its series")
    .option(...NETWORK_OPTION)
    .action(async (modelId: string, { network }: { network?: string }) => {
      const { settlement } = await openNetwork(network);
      const info = await modelById(settlement, idOf(modelId));
      const { methods, publishedAt, successor, ...rest } = info;
      for (const [name, value] of Object.entries(rest)) console.log(`${name.padEnd(14)} ${String(value ?? "-")}`);
      console.log(`${"methods".padEnd(14)} ${methods.join(", ")}`);
      console.log(`${"published".padEnd(14)} ${new Date(Number(publishedAt) * 1_000).toISOString()}`);
      if (info.deprecated) console.log(`${"successor".padEnd(14)} ${successor === zeroHash ? "none named" : successor}`);
      const versions = await versionsOf(settlement, info.publisher, info.name);
      for (const id of versions) console.log(`${"series".padEnd(14)} ${id}${id === info.modelId ? " (this)" : ""}`);
    });
  model
    .command("download <modelId> <file>")
    .description("fetches a version's package from Walrus and checks content, program and manifest against the registry; writes nothing that does not hold")
    .option(...NETWORK_OPTION)
    .action(async (modelId: string, file: string, { network }: { network?: string }) => {
      const opened = await openNetwork(network);
      const info = await modelById(opened.settlement, idOf(modelId));
      const { blobs, close } = walrusStore(opened.file.walrus);
      const bytes = await blobs.read(info.blobId, { contentHash: info.contentHash }).finally(close);
      const checks = verifyPackage(bytes, { ...info, kind: info.kind === "Int" ? "int" : "float" });
      const wrong = checks.filter(({ ok }) => !ok).map(({ name }) => name);
      if (wrong.includes("fold")) throw new CliError(`${info.name} ${info.version} has a universal circuit, and the registry names nothing that was folded into its key: whoever proves could choose the weights. Nothing was written.`);
      if (wrong.length > 0) throw new CliError(`The package of ${info.name} ${info.version} has another ${wrong.join(" and ")} hash than the registry: its publisher stated something else. Nothing was written.`);
      writeFileSync(file, bytes);
      console.log(`${info.name} ${info.version}: ${bytes.length} bytes in ${file}; content, program and manifest as the registry says`);
      console.log(`licence ${info.licence}${info.deprecated ? `; deprecated${info.successor === zeroHash ? "" : `, use ${info.successor}`}` : ""}`);
    });
  model
    .command("publish <source>")
    .description("stores a model on Walrus and publishes it: an ONNX file as a float model, a circuit folder (og zk compile) as an integer program with its verifying key")
    .requiredOption("--name <name>")
    .requiredOption("--model-version <version>", "e.g. 1.0.0")
    .option("--licence <spdx>", "SPDX expression or URL", "MIT")
    .option("--methods <list>", "verification methods, comma-separated: tee, vanilla; for circuit folders zkml, tee+zkml, vanilla")
    .option("--royalty-bps <n>", "hundredths of a percent of each charge", "0")
    .option("--royalty-to <address>", "who gets the royalty; by default the publisher")
    .option("--weights <file>", "weights.json of this model, where the circuit folder holds another model's (universal circuits)")
    .option("--epochs <n>", "Walrus epochs that storage is paid for: 14 days each on Mainnet; see `og model renew`", "53")
    .option(...NETWORK_OPTION)
    .action(async (source: string, options: PublishOptions) => {
      const publication = await publicationOf(source, options);
      const opened = await openNetwork(options.network);
      const { account, wallet } = callerWallet(opened.settlement);
      const { royaltyTo, royaltyBps } = royaltyOf(options, account.address);
      const { blobs, close } = walrusStore(opened.file.walrus);
      const kept = { storeAndReadBack: (bytes: Uint8Array) => blobs.storeAndReadBack(bytes, { epochs: epochsOf(options.epochs) }) };
      const published = await publishModel(opened.settlement, wallet, account, kept, { ...publication, ...(royaltyBps > 0 ? { royaltyTo, royaltyBps } : {}) }).finally(close);
      console.log(`model  ${published.modelId}\nblob   ${published.blobId}`);
      if (published.vkHash !== zeroHash) console.log(`key    ${published.vkHash}`);
      for (const { hash, gas } of published.transactions) console.log(`sent   ${hash} (${gas} gas)`);
      if (published.transactions.length === 0) console.log("sent   nothing: this version is published already");
    });
  model
    .command("renew <modelId>")
    .description("pays for a version's storage on Walrus for longer; anyone may, for any model")
    .option("--epochs <n>", "epochs from now: 14 days each on Mainnet", "53")
    .option(...NETWORK_OPTION)
    .action(async (modelId: string, { epochs, network }: { epochs: string; network?: string }) => {
      const count = epochsOf(epochs);
      const opened = await openNetwork(network);
      const info = await modelById(opened.settlement, idOf(modelId));
      const { blobs, close } = walrusStore(opened.file.walrus);
      // The bytes come from the network and are stored again: only the version's own content passes.
      const stored = await blobs.read(info.blobId, { contentHash: info.contentHash }).then((bytes) => blobs.store(bytes, { epochs: count })).finally(close);
      console.log(`${info.name} ${info.version}: kept until epoch ${stored.endEpoch}`);
    });
  model
    .command("deprecate <modelId>")
    .description("marks one of your versions as one that nobody should use any more")
    .option("--successor <modelId>", "the version to use instead")
    .option(...NETWORK_OPTION)
    .action(async (modelId: string, { successor, network }: { successor?: string; network?: string }) => {
      const { settlement } = await openNetwork(network);
      const { account, wallet } = callerWallet(settlement);
      const hash = await deprecateModel(settlement, wallet, account, idOf(modelId), successor === undefined ? zeroHash : idOf(successor));
      console.log(`sent   ${hash}`);
    });
  return model;
}

interface PublishOptions {
  name: string;
  modelVersion: string;
  licence: string;
  methods?: string;
  royaltyBps: string;
  royaltyTo?: string;
  weights?: string;
  epochs: string;
  network?: string;
}

const METHODS: Record<string, Value<typeof Verification>> = { tee: Verification.Tee, zkml: Verification.Zkml, "tee+zkml": Verification.TeeAndZkml, vanilla: Verification.Vanilla };

async function publicationOf(source: string, { name, modelVersion, licence, methods, weights }: PublishOptions): Promise<Publication> {
  const about = statSync(source, { throwIfNoEntry: false });
  if (!about) throw new CliError(`${source} does not exist; give an ONNX file or a circuit folder.`);
  const common = { name, version: modelVersion, licence };
  if (about.isDirectory()) return { ...(await integerPublication(source, weights)), ...common, methods: methodsOf(methods ?? "zkml,tee+zkml,vanilla", Object.keys(METHODS)) };
  const bytes = new Uint8Array(readFileSync(source));
  // A proof is about an integer program: an ONNX file becomes one in a circuit folder.
  return { ...common, kind: "float", programHash: programHash("float", bytes), bytes, methods: methodsOf(methods ?? "tee,vanilla", ["tee", "vanilla"]) };
}

function methodsOf(list: string, allowed: readonly string[]): Value<typeof Verification>[] {
  return list.split(",").map((item) => {
    const name = item.trim().toLowerCase();
    if (!allowed.includes(name)) throw new CliError(`--methods names "${item}"; this source offers ${allowed.join(", ")}.`);
    return METHODS[name]!;
  });
}

function royaltyOf({ royaltyBps, royaltyTo }: PublishOptions, publisher: Address): { royaltyBps: number; royaltyTo: Address } {
  const bps = Number(royaltyBps);
  if (!Number.isInteger(bps) || bps < 0 || bps > 3_000) throw new CliError(`--royalty-bps is "${royaltyBps}"; a whole number from 0 to 3000 (30 %).`);
  if (royaltyTo !== undefined && !isAddress(royaltyTo, { strict: false })) throw new CliError(`--royalty-to is "${royaltyTo}", which is no address.`);
  if (royaltyTo !== undefined && bps === 0) throw new CliError("--royalty-to needs --royalty-bps above 0.");
  return { royaltyBps: bps, royaltyTo: (royaltyTo as Address | undefined) ?? publisher };
}

/** The network sells at most 53 epochs at a time. */
function epochsOf(text: string): number {
  const epochs = Number(text);
  if (!Number.isInteger(epochs) || epochs < 1 || epochs > 53) throw new CliError(`--epochs is "${text}"; a whole number from 1 to 53.`);
  return epochs;
}

function callerWallet(settlement: ChainAccess) {
  const account = callerKey([settlement.chain.id]);
  return { account, wallet: createWalletClient({ chain: settlement.chain, transport: http(settlement.rpcUrl), account }) };
}

function idOf(text: string): Hex {
  if (!isHex(text) || size(text) !== 32) throw new CliError(`"${text}" is not a modelId: 0x and 64 hexadecimal digits; "og model list" shows them.`);
  return text;
}
