/** `og`: one command line, a group of commands for each room. */
import { Command } from "commander";

import { zkCommand } from "../../circuits/cli/zk.ts";
import { attestCommand } from "./attest.ts";

const og = new Command("og").description("OpenGradient protocol: verification and settlement for AI inference").showHelpAfterError();
og.addCommand(attestCommand());
og.addCommand(zkCommand());
await og.parseAsync();
