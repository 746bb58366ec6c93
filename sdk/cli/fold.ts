/** `og zk fold`: the weights of a universal circuit's model into a key of its own, computed on chain or claimed. */
import type { Command } from "commander";
import { type Hex, createWalletClient, http } from "viem";
import { integerPublication } from "../models/integer.ts";
import { claimOnChain } from "../models/claim.ts";
import { foldOnChain } from "../models/fold.ts";
import { CliError, NETWORK_OPTION, callerKey, openNetwork } from "./network.ts";

export function withFoldCommand(zk: Command): Command {
  zk.command("fold <directory>")
    .description("folds a universal circuit's weights into a key; goes on where an interrupted run stopped")
    .option("--weights <file>", "weights.json of this model, where the folder holds another model's")
    .option("--claim", "post the sums with a bond instead of having them computed: a sixth of the gas, and a window in which anyone may refute; call again when it has closed")
    .option(...NETWORK_OPTION)
    .action(async (directory: string, options: { weights?: string; claim?: boolean; network?: string }) => {
      const { fold } = await integerPublication(directory, options.weights);
      if (!fold) throw new CliError(`${directory} has its weights in the circuit: there is nothing to fold. "og zk compile --weights public" makes a universal circuit.`);
      if (options.claim && fold.how.kind === "constants") throw new CliError("Committed weights are one word, folded in one transaction: leave --claim out.");
      const { settlement } = await openNetwork(options.network);
      const account = callerKey([settlement.chain.id]);
      const wallet = createWalletClient({ chain: settlement.chain, transport: http(settlement.rpcUrl), account });
      let total = 0n;
      const mined = async (hash: Hex) => {
        const receipt = await settlement.client.waitForTransactionReceipt({ hash });
        if (receipt.status !== "success") throw new CliError(`Transaction ${hash} reverted; call again to go on.`);
        total += receipt.gasUsed;
        console.log(`sent   ${hash} (${receipt.gasUsed} gas)`);
        return receipt;
      };
      const told = (done: number, chunks: number) => console.log(`${done} of ${chunks} chunks`);
      const outcome = options.claim ? await claimOnChain(settlement, wallet, account, fold, mined, told) : await foldOnChain(settlement, wallet, account, fold, mined, told);
      if (total === 0n) console.log("sent   nothing");
      if (outcome?.state === "waiting") return console.log(`claimed; the window closes at ${new Date(outcome.closesAt * 1_000).toISOString()}: call again then`);
      console.log(`folded ${fold.vkHash}\ncircuit ${fold.circuitHash}\nweights ${fold.weightsHash}`);
    });
  return zk;
}
