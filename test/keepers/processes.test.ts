import { expect } from "chai";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ProcessGroup } from "../../scripts/devnet/processes.ts";
import { tempFolder } from "../utils/folder.ts";

/** Processes that take a while to end, and ones that never do. */
describe("a local network's processes end with what they asked for", () => {
  const folder = tempFolder("og-processes");
  const slow = (name: string, ms: number, stopMs?: number) => {
    const [ready, ended] = [join(folder, `${name}.ready`), join(folder, `${name}.ended`)];
    const code = `
      const { writeFileSync } = require("node:fs");
      process.on("SIGTERM", () => setTimeout(() => { writeFileSync(${JSON.stringify(ended)}, "all of it"); process.exit(0); }, ${ms}));
      setInterval(() => {}, 1000);
      writeFileSync(${JSON.stringify(ready)}, "");`;
    return { ended, spec: { name, command: [process.execPath, "-e", code], ready: async () => existsSync(ready), ...(stopMs === undefined ? {} : { stopMs }) } };
  };

  it("a process that asked for more time has it; one that never ends is killed after the time that it asked for", async () => {
    const group = new ProcessGroup(folder);
    const asked = slow("asked", 300, 60_000);
    await group.start(asked.spec);
    await group.stop();
    expect(readFileSync(asked.ended, "utf8")).to.equal("all of it");

    const never = slow("never", 3_600_000, 0);
    const child = await group.start(never.spec);
    await group.stop();
    expect([child.signalCode, existsSync(never.ended)]).to.deep.equal(["SIGKILL", false]);
  });

  it("what it asks for is bounded", async () => {
    const group = new ProcessGroup(folder);
    const child = await group.start(slow("greedy", 3_600_000, 3_600_000).spec);
    await group.stop(200);
    expect(child.signalCode).to.equal("SIGKILL");
  });
});
