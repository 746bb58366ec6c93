import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Hex } from "viem";
import { type BuiltCircuit, buildCircuit } from "../../circuits/build.ts";
import { systemClock } from "../../keepers/clock/index.ts";
import { MODEL_NAME, trainLanguageModel } from "../../keepers/upstream/index.ts";
import { blobIds, walrusClient } from "../../keepers/walrus/index.ts";
import { MODELS_DIRECTORY, type ModelEntry, buildModels } from "../../models/index.ts";
import { integerPublication } from "../../sdk/models/integer.ts";
import { encodePackage, programHash } from "../../sdk/models/package.ts";
import { type Publication, publishModel, type PublishedModel } from "../../sdk/models/publish.ts";
import type { ChainAccess } from "../../sdk/network/network.ts";
import { Verification } from "../../sdk/protocol/enums.ts";
import { account } from "./accounts.ts";
import type { LocalChain } from "./chains.ts";
import { walletOf } from "./deploy.ts";

export interface PublishedModels {
  entries: readonly ModelEntry[];
  circuit: BuiltCircuit;
  published: Record<"credit" | "creditInteger" | "volatility" | "digits" | "chat", PublishedModel>;
}

/** 2.5 % of what the credit model earns goes to its publisher. */
const ROYALTY_BPS = 250;

/** Trains the three models (or takes the built ones), makes the credit model's circuit, and publishes everything. */
export async function publishModels(local: LocalChain, settlement: ChainAccess, walrusUrl: string, print: (line: string) => void): Promise<PublishedModels> {
  const { models: entries } = await buildModels(MODELS_DIRECTORY, { onProgress: print });
  const file = (name: string) => readFile(join(MODELS_DIRECTORY, entries.find((entry) => entry.name === name)!.file));
  const credit = new Uint8Array(await file("credit-score"));
  const box = entries.find((entry) => entry.name === "credit-score")!.inputs[0]!;
  const circuit = await buildCircuit("credit-score", credit, { inputs: { [box.name]: { lo: box.min, hi: box.max } } });
  print(`credit-score as an integer circuit: ${circuit.setup.rows.toLocaleString("en")} rows, development key`);

  const ids = blobIds();
  const blobs = walrusClient({ publisher: walrusUrl, aggregators: [walrusUrl], blobIds: ids, clock: systemClock() });
  const wallet = walletOf("publisher", local);
  const publish = (what: Publication) => publishModel(settlement, wallet, account("publisher"), blobs, what);
  try {
    const float = async (name: string, methods: number[], royalty: Partial<Publication> = {}) => {
      const bytes = name === "credit-score" ? credit : new Uint8Array(await file(name));
      return publish({ name, version: "1.0.0", kind: "float", programHash: programHash("float", bytes), bytes, methods, licence: "MIT", ...royalty });
    };
    const royalty = { royaltyTo: account("royalties").address, royaltyBps: ROYALTY_BPS };
    return {
      entries,
      circuit,
      published: {
        credit: await float("credit-score", [Verification.Tee], royalty),
        creditInteger: await publish({ ...(await integerPublication(circuit.directory)), name: "credit-score", version: "1.0.0-int", methods: [Verification.Zkml, Verification.TeeAndZkml, Verification.Vanilla], licence: "MIT", ...royalty }),
        volatility: await float("volatility", [Verification.Tee, Verification.Vanilla]),
        digits: await float("digits", [Verification.Tee, Verification.Vanilla]),
        chat: await publish(languageModel()),
      },
    };
  } finally {
    await ids.close();
  }
}

function languageModel(): Publication {
  const model = trainLanguageModel();
  const description = "Demonstration language model, trained by the repository from its own small corpus.";
  const bytes = encodePackage({ format: "og-model/upstream/1", model: MODEL_NAME, weightsHash: model.hash as Hex, description });
  return { name: MODEL_NAME, version: "1.0.0", kind: "float", programHash: programHash("float", bytes), bytes, methods: [Verification.Tee], licence: "MIT" };
}

/** The inference node's list of models with prices, in millionths of a dollar. */
export async function writeModelsFile(path: string, { published, circuit }: PublishedModels): Promise<void> {
  const price = (perRequest: number, perMillionInput = 0, perMillionOutput = 0) => ({
    perRequest: String(perRequest), perMillionInput: String(perMillionInput), perMillionOutput: String(perMillionOutput), perMillionReasoning: String(perMillionOutput),
  });
  const models = [
    { modelId: published.credit.modelId, price: price(1_000) },
    { modelId: published.creditInteger.modelId, price: price(5_000), circuit: circuit.directory },
    { modelId: published.volatility.modelId, price: price(800) },
    { modelId: published.digits.modelId, price: price(500) },
    { modelId: published.chat.modelId, price: price(100, 2_000_000, 8_000_000), maxOutputTokens: 64 },
  ];
  await writeFile(path, `${JSON.stringify({ models }, null, 2)}\n`);
}
