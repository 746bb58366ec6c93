/** The `int` programs whose answers a full node can judge and prove. */
import { readFileSync } from "node:fs";
import type { Hex } from "viem";
import { z } from "zod";
import { ProgramKind } from "../../../sdk/protocol/index.ts";
import { iModelRegistryAbi } from "../../../types/abi/IModelRegistry.ts";
import { fatal, messageOf } from "../../errors/index.ts";
import { openProvingModel, type ProvingModel } from "../../proving/program.ts";
import type { ChainAccess } from "../platform.ts";

const programsFile = z.strictObject({
  models: z.array(z.strictObject({ modelId: z.string().regex(/^0x[0-9a-f]{64}$/i), circuit: z.string(), weights: z.string().optional() })).min(1),
});

/** @param file As OG_COURT_MODELS names it. @throws `models.file`, `models.kind`, `models.circuit`, `models.key`, `models.fold` */
export async function loadPrograms(file: string, { client, deployment }: Pick<ChainAccess, "client" | "deployment">): Promise<Map<Hex, ProvingModel>> {
  let models: z.infer<typeof programsFile>["models"];
  try {
    ({ models } = programsFile.parse(JSON.parse(readFileSync(file, "utf8"))));
  } catch (error) {
    throw fatal("models.file", `${file} is not a list of {modelId, circuit[, weights]}: ${messageOf(error)}`, { file }, { cause: error });
  }
  const programs = new Map<Hex, ProvingModel>();
  for (const { modelId: id, circuit, weights } of models) {
    const modelId = id.toLowerCase() as Hex;
    const version = await client.readContract({ address: deployment.address("ModelRegistry"), abi: iModelRegistryAbi, functionName: "model", args: [modelId] });
    if (version.kind !== ProgramKind.Int) throw fatal("models.kind", `${version.name} is not an int program: no output of it is the right one.`, { modelId });
    programs.set(modelId, await openProvingModel(circuit, weights, { ...version, modelId }));
  }
  return programs;
}
