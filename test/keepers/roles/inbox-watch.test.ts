import { expect } from "chai";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { inboxWatch, stopAfter } from "../../../keepers/roles/inference/inbox-watch.ts";
import type { GatewayDeps } from "../../../keepers/roles/inference/gateway.ts";
import { gateway } from "../../../keepers/roles/inference/gateway.ts";
import type { ChainAccess } from "../../../keepers/roles/platform.ts";
import { type FullRig, fullRig } from "../support/full-rig.ts";

describe("held intake while the inbox is silent (PROTOCOL section 6)", () => {
  let rig: FullRig;
  let payment: ChainAccess;
  before(async () => {
    rig = await fullRig();
    await rig.open();
    payment = rig.members[0]!.platform.payment!;
  });
  after(() => rig.stop());

  const skip = async (seconds: number) => {
    await rig.pass(seconds);
    rig.wall.ahead += 1_000;
  };

  it("6 h of a T_silent of 24 h; never less than a minute; the operator's own figure counts before both", () => {
    expect([stopAfter(86_400), stopAfter(60), stopAfter(86_400, 100)]).to.deep.equal([21_600, 60, 100]);
  });

  it("stops at the limit by the chain's time, and opens again when the committee is heard", async () => {
    const watch = inboxWatch({ ...rig.members[0]!.platform, logger: silentLogger }, 0);
    expect(watch.heldIntake(), "unknown is not open").to.be.a("string");
    await watch.step();
    expect(watch.heldIntake()).to.equal(undefined);
    const since = watch.silentFor()!;
    await skip(60 - since);
    await watch.step();
    expect(watch.heldIntake(), "60 s are the limit, not beyond it").to.equal(undefined);
    await skip(2);
    await watch.step();
    expect(watch.heldIntake()).to.match(/silent/);
    await rig.round(["handover"]);
    await rig.round(["handover"]);
    await watch.step();
    expect(watch.heldIntake()).to.equal(undefined);
  });

  it("a payment chain that cannot be read counts as silent once the limit has passed since the last look", async () => {
    const watch = inboxWatch({ ...rig.members[0]!.platform, payment, logger: silentLogger }, 0);
    await watch.step();
    rig.members[0]!.switches.payment.down = true;
    await watch.step();
    expect(watch.heldIntake()).to.equal(undefined);
    rig.wall.ahead += 61_000;
    await watch.step();
    expect(watch.heldIntake()).to.match(/silent/);
    rig.members[0]!.switches.payment.down = false;
  });

  it("the gateway refuses batch and individual work with a reason, takes private work, and takes Acks", async () => {
    const acks: unknown[] = [];
    const reached = new Error("past the door");
    const deps = {
      notReady: () => undefined, heldIntake: () => "the committee has been silent", maxBodyBytes: 1_000, log: silentLogger, models: [],
      catalog: { find: () => { throw reached; }, all: () => [] }, gate: { acceptAck: async (ack: unknown) => void acks.push(ack) },
    } as unknown as GatewayDeps;
    const app = gateway(deps);
    const ask = async (mode?: string) => {
      const headers = { "content-type": "application/json", ...(mode ? { "x-settlement-type": mode } : {}) };
      const response = await app.request("/v1/chat/completions", { method: "POST", headers, body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] }) });
      return { status: response.status, code: ((await response.json()) as { error: { code: string } }).error.code, retry: response.headers.get("retry-after") };
    };
    for (const mode of [undefined, "batch", "individual"]) expect(await ask(mode)).to.deep.equal({ status: 503, code: "INBOX_SILENT", retry: "60" });
    expect((await ask("private")).code, "it goes on to the models").to.equal("INTERNAL");
    const ack = { paymentId: `0x${"11".repeat(32)}`, cumulative: "5", signature: `0x${"22".repeat(65)}` };
    const response = await app.request("/v1/acks", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(ack) });
    expect([response.status, acks.length]).to.deep.equal([200, 1]);
  });
});
