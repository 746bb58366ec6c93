import { expect } from "chai";
import { keccak256, toHex } from "viem";
import { seededRandom } from "../../../keepers/clock/index.ts";
import type { JournalHook } from "../../../keepers/tx/index.ts";
import type { Faults } from "../support/fake-chain.ts";
import { GWEI, journalRig } from "../support/journal-rig.ts";

/** Seeds in `npm test`; a nightly run takes more. */
const SEEDS = Number(process.env.OG_SIMULATION_SEEDS ?? 60);
const NAMES = ["a", "b", "c", "d", "e", "f"];
const DIALECTS = ["geth", "nethermind", "reth", "hardhat"] as const;

/**
 * One seeded life of a journal: endpoints that lie, hang and go down, reorganisations, fee spikes, kills at any arrow.
 * Afterwards the weather clears, and every intent must have exactly one effect.
 */
async function life(seed: number): Promise<{ trace: string; kills: number }> {
  const random = seededRandom(seed);
  const pick = (below: number) => Math.floor(random() * below);
  const rate = () => [0, 0.02, 0.05, 0.2][pick(4)]!;
  let calm = false;
  let down = -1;
  const faults: Faults[] = [0, 1, 2].map((index) => {
    const [timeout, serverError, stale, missingReceipts] = [rate(), rate(), rate(), rate()];
    return {
      dialect: DIALECTS[pick(4)],
      down: () => !calm && (down === index || down === 3),
      get timeout() { return calm ? 0 : timeout; },
      get serverError() { return calm ? 0 : serverError; },
      get stale() { return calm ? 0 : stale; },
      get missingReceipts() { return calm ? 0 : missingReceipts; },
    };
  });
  const trace: string[] = [];
  let killed = false;
  let kills = 0;
  const hook: JournalHook = (point) => {
    trace.push(point);
    if (calm || random() > 0.03) return undefined;
    // As after kill -9: this journal never takes another step.
    killed = true;
    kills++;
    return new Promise<void>(() => {});
  };
  const rig = journalRig({ seed, faults, hook, timing: { confirmations: 2 + pick(3) } });
  rig.chain.mine(10);
  const waiting = [...NAMES];

  for (let round = 0; round < 50; round++) {
    if (waiting.length > 0 && random() < 0.4) rig.submit(rig.intent(waiting.shift()!));
    down = random() < 0.15 ? pick(4) : -1;
    if (random() < 0.05) rig.chain.reorg(1 + pick(3), random() < 0.5);
    if (random() < 0.05) rig.chain.baseFee = BigInt(1 + pick(60)) * GWEI;
    const tick = rig.journal.tick().catch(() => {});
    for (let step = 0; step < 40 && !killed; step++) {
      const done = await Promise.race([tick.then(() => true), rig.clock.advance(250).then(() => false)]);
      if (done) break;
    }
    if (killed) {
      killed = false;
      rig.restart(hook);
    }
    if (random() < 0.7) rig.chain.mine(1, 1 + pick(12));
    await rig.clock.advance(1_000 * pick(4));
    const counts = new Map<string, number>();
    for (const { data } of rig.chain.effects()) counts.set(data, (counts.get(data) ?? 0) + 1);
    for (const [data, count] of counts) expect(count, `seed ${seed}: ${data} has ${count} effects`).to.equal(1);
  }

  calm = true;
  rig.chain.baseFee = GWEI;
  rig.restart(hook);
  for (const name of NAMES) rig.submit(rig.intent(name));
  for (let round = 0; round < 60; round++) {
    await rig.rounds(1, { seconds: 3 });
    await rig.clock.advance(30_000); // endpoints that rested come back
  }
  const done = rig.chain.effects().map(({ data }) => data).sort();
  expect(done, `seed ${seed}: ${JSON.stringify(NAMES.map((name) => [name, rig.journal.status(name)?.state, rig.journal.status(name)?.waiting]))}`)
    .to.deep.equal(NAMES.map((name) => rig.intent(name).data).sort());
  for (const name of NAMES) expect(rig.journal.status(name)!.state, `seed ${seed}: ${name}`).to.equal("final");
  return { trace: keccak256(toHex(trace.join())), kills };
}

describe(`transaction journal: ${SEEDS} seeded lives`, () => {

  it("K1, K2: exactly one effect for every intent, whatever dies, lies or reorganises", async () => {
    let kills = 0;
    for (let seed = 1; seed <= SEEDS; seed++) kills += (await life(seed)).kills;
    expect(kills).to.be.greaterThan(SEEDS / 3);
  });

  it("K9: the same seed gives the same trace", async () => {
    for (const seed of [3, 17]) expect((await life(seed)).trace).to.equal((await life(seed)).trace);
  });
});
