/** `og`: one command line, a group of commands for each room. */
import { Command } from "commander";

import { zkCommand } from "../../circuits/cli/zk.ts";
import { attestCommand } from "./attest.ts";
import { chatCommand, inferCommand } from "./buy.ts";
import { disputeCommand } from "./dispute.ts";
import { payCommand } from "./pay.ts";
import { settleCommand, verifyCommand } from "./evidence.ts";
import { healthCommand } from "./health.ts";
import { modelCommand } from "./models.ts";
import { payloadCommand } from "./payload.ts";
import { withProofCommands } from "./proofs.ts";
import { withFoldCommand } from "./fold.ts";
import { nodeCommand } from "./registry.ts";

const og = new Command("og").description("OpenGradient protocol: verification and settlement for AI inference").showHelpAfterError();
for (const make of [nodeCommand, modelCommand, chatCommand, inferCommand, disputeCommand, settleCommand, payCommand, verifyCommand, healthCommand, payloadCommand, attestCommand, () => withFoldCommand(withProofCommands(zkCommand()))]) og.addCommand(make());

try {
  await og.parseAsync();
} catch (error) {
  // A sentence for a person; OG_DEBUG=1 shows where it came from.
  process.stderr.write(`og: ${error instanceof Error ? (process.env.OG_DEBUG ? error.stack : firstLine(error)) : String(error)}\n`);
  process.exitCode ||= 1;
}

/** viem's errors go on for a page; what a person needs stands first. */
function firstLine(error: Error): string {
  return "shortMessage" in error ? String(error.shortMessage) : error.message;
}
