import { Command } from "commander";
import { parseEventLogs } from "viem";
import { iInferenceSettlementAbi } from "../../types/abi/IInferenceSettlement.ts";
import { escrowHealth, type HealthFinding, isInvariant, settlementHealth } from "../network/health.ts";
import type { ChainAccess } from "../network/network.ts";
import { NETWORK_OPTION, openNetwork, printTable } from "./network.ts";

interface Options {
  network?: string;
  headers: string;
  json?: boolean;
}

/** `og health`: the numbered invariants against the live chains. */
export function healthCommand(): Command {
  return new Command("health")
    .description("checks the numbered invariants (docs/INVARIANTS.md) on both chains; exit code 1 when one does not hold")
    .option("--headers <n>", "how many of the newest batch headers to look at", "50")
    .option(...NETWORK_OPTION)
    .option("--json", "findings as JSON")
    .action(async (options: Options) => {
      const { settlement, payment } = await openNetwork(options.network);
      const findings = [
        ...(await settlementHealth(settlement, await newestHeaders(settlement, Number(options.headers)))).map((finding) => ({ chain: "settlement", ...finding })),
        ...(await escrowHealth(payment)).map((finding) => ({ chain: "payment", ...finding })),
      ];
      if (options.json) console.log(JSON.stringify(findings, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value), 2));
      else {
        printTable(["chain", "invariant", "", "left", "right", "of"], findings.map((finding) => [finding.chain, finding.id, verdict(finding), String(finding.left), String(finding.right), finding.about]));
        console.log("not a view, and held by tests alone: what needs history (R1, R2, R3, S3, S9 to S11, S13, E3, E4, E7, E8, E10 to E13, E15)");
      }
      if (findings.some((finding) => isInvariant(finding) && !finding.ok)) process.exitCode = 1;
    });
}

function verdict(finding: HealthFinding): string {
  if (finding.ok) return "holds";
  return isInvariant(finding) ? "BROKEN" : "no";
}

async function newestHeaders(settlement: ChainAccess, limit: number) {
  const logs = await settlement.client.getLogs({ address: settlement.address("InferenceSettlement"), fromBlock: 0n, toBlock: "latest" });
  return parseEventLogs({ abi: iInferenceSettlementAbi, eventName: "HeaderPosted", logs })
    .slice(-limit)
    .map(({ args }) => ({ hash: args.headerHash, header: args.header }));
}
