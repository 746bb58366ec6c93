import { expect } from "chai";
import { encodeErrorResult, parseAbi } from "viem";
import { intentKey } from "../../../keepers/tx/index.ts";
import { GWEI, journalRig, TARGET } from "../support/journal-rig.ts";

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

describe("transaction journal: each arrow of the table", () => {
  it("planned -> simulated -> signed -> broadcast -> mined -> final", async () => {
    const rig = journalRig();
    rig.submit(rig.intent("a"));
    await rig.rounds(1, { mine: false });
    expect(rig.journal.status("a")).to.include({ state: "broadcast", nonce: 0 });
    await rig.rounds(4);
    expect(rig.journal.status("a")).to.include({ state: "final" });
    expect(rig.outcomes.get("a")).to.equal("final");
    expect(rig.chain.effects()).to.have.length(1);
  });

  it("K1: a hundred submits of one key have one effect and one answer", async () => {
    const rig = journalRig();
    const intent = rig.intent("a");
    const all = Promise.all(times(100, () => rig.journal.submit(intent)));
    await rig.rounds(5);
    const hashes = new Set((await all).map(({ hash }) => hash));
    expect(hashes.size).to.equal(1);
    expect(rig.chain.effects()).to.have.length(1);
  });

  it("a key that stands for another transaction is a conflict", async () => {
    const rig = journalRig();
    rig.submit(rig.intent("a"));
    rig.submit({ ...rig.intent("b"), key: "a" });
    await rig.rounds(1);
    expect(rig.outcomes.get("a")).to.equal("tx.key_conflict");
  });

  it("planned -> abandoned: the contract refuses, by the name of its error, and no nonce is used", async () => {
    const rig = journalRig();
    const abi = parseAbi(["error NotYours(uint256 id)"]);
    rig.chain.reverts = () => encodeErrorResult({ abi, errorName: "NotYours", args: [7n] });
    rig.submit(rig.intent("a", { abi }));
    await rig.rounds(2);
    expect(rig.outcomes.get("a")).to.equal("tx.abandoned");
    expect(rig.journal.status("a")).to.include({ state: "abandoned", code: "revert:NotYours", message: "NotYours(7)", nonce: null });
  });

  it("abandoned -> planned: what had no effect may be tried again when asked", async () => {
    const rig = journalRig();
    rig.chain.reverts = () => "0x12345678";
    rig.submit(rig.intent("a"));
    await rig.rounds(2);
    expect(rig.outcomes.get("a")).to.equal("tx.abandoned");
    rig.chain.reverts = () => null;
    rig.submit({ ...rig.intent("a"), again: true });
    await rig.rounds(5);
    expect(rig.outcomes.get("a")).to.equal("final");
  });

  it("broadcast -> bumped: patience is counted in the chain's time; the nonce stays, both fees grow by 15 %", async () => {
    const rig = journalRig();
    rig.submit(rig.intent("a"));
    await rig.rounds(1, { mine: false });
    rig.chain.baseFee = 100n * GWEI;
    await rig.rounds(1, { seconds: 3 });
    expect(rig.journal.status("a")!.state).to.equal("broadcast");
    rig.chain.baseFee = 4n * GWEI;
    await rig.rounds(3, { seconds: 3 });
    const fees = rig.store.all<{ max_fee: string; nonce: number }>("SELECT max_fee, nonce FROM attempts ORDER BY id");
    expect(fees.length).to.be.greaterThan(1);
    expect(fees.every(({ nonce }) => nonce === 0)).to.equal(true);
    expect(Number(fees[1]!.max_fee)).to.be.at.least(Number(fees[0]!.max_fee) * 1.15);
    await rig.rounds(5);
    expect(rig.outcomes.get("a")).to.equal("final");
    expect(rig.chain.effects()).to.have.length(1);
  });

  it("mined -> broadcast: a reorganisation drops the block, the stored bytes go out again", async () => {
    const rig = journalRig({ timing: { confirmations: 4 } });
    rig.submit(rig.intent("a"));
    await rig.rounds(2);
    expect(rig.journal.status("a")!.state).to.equal("mined");
    const [hash] = rig.chain.effects().map((effect) => effect.hash);
    rig.chain.reorg(3, true);
    expect(rig.chain.effects()).to.have.length(0);
    await rig.rounds(8);
    expect(rig.outcomes.get("a")).to.equal("final");
    expect(rig.chain.effects().map((effect) => effect.hash)).to.deep.equal([hash]);
  });

  for (const depth of [1, 2, 3, 8, 32]) {
    for (const lose of [true, false]) {
      it(`reorganisation of ${depth} blocks, transactions ${lose ? "lost" : "back in the pool"}, even below the confirmations: one effect`, async () => {
        const rig = journalRig();
        rig.chain.mine(40);
        for (const name of ["a", "b", "c"]) rig.submit(rig.intent(name));
        await rig.rounds(4);
        rig.chain.reorg(depth, lose);
        rig.submit(rig.intent("d"));
        await rig.rounds(16);
        expect(rig.chain.effects().map(({ data }) => data).sort()).to.deep.equal(["a", "b", "c", "d"].map((name) => rig.intent(name).data).sort());
      });
    }
  }

  it("any -> cancelling -> cancelled: past the deadline a self transfer takes the nonce", async () => {
    const rig = journalRig();
    const soon = BigInt(rig.chain.blocks.at(-1)!.timestamp) + 5n;
    rig.submit(rig.intent("late", { deadline: soon }));
    await rig.rounds(1, { mine: false });
    rig.chain.baseFee = 100n * GWEI;
    await rig.rounds(4);
    expect(rig.journal.status("late")!.state).to.equal("cancelling");
    rig.chain.baseFee = GWEI;
    await rig.rounds(6);
    expect(rig.outcomes.get("late")).to.equal("tx.cancelled");
    rig.submit(rig.intent("next"));
    await rig.rounds(5);
    expect(rig.outcomes.get("next")).to.equal("final");
    expect(rig.chain.effects()).to.have.length(1);
  });

  it("a deadline that passed before signing uses no nonce", async () => {
    const rig = journalRig();
    rig.submit(rig.intent("late", { deadline: 1n }));
    await rig.rounds(1);
    expect(rig.journal.status("late")).to.include({ state: "abandoned", code: "tx.deadline", nonce: null });
  });

  it("any -> superseded: somebody else did it", async () => {
    const rig = journalRig();
    const intent = rig.intent("a");
    const done = { to: TARGET, data: `0xd0e5${intent.data.slice(2)}`, equals: `0x${"0".repeat(63)}1` } as const;
    rig.submit(intent);
    await rig.rounds(4);
    rig.submit({ ...intent, key: "again", done });
    await rig.rounds(2);
    expect(rig.outcomes.get("again")).to.equal("tx.superseded");
    expect(rig.chain.effects()).to.have.length(1);
  });

  it("any -> foreign: another writer used our nonce; this signer stops until a person says so", async () => {
    const rig = journalRig();
    rig.submit(rig.intent("a"));
    await rig.rounds(1, { mine: false });
    rig.chain.pool.clear();
    rig.chain.foreign(rig.address);
    await rig.rounds(6);
    expect(rig.journal.status("a")).to.include({ state: "foreign", code: "tx.foreign_nonce" });
    expect(rig.journal.stopped().get(31337)).to.match(/not ours/);
    rig.submit(rig.intent("b"));
    await rig.rounds(3);
    expect(rig.journal.status("b")!.nonce).to.equal(null);
    await rig.journal.resume(31337);
    await rig.rounds(6);
    expect(rig.outcomes.get("a")).to.equal("tx.cancelled");
    expect(rig.outcomes.get("b")).to.equal("final");
  });

  it("mined but reverted is told apart from done", async () => {
    const rig = journalRig();
    rig.chain.mineReverts = () => true;
    rig.submit(rig.intent("a"));
    await rig.rounds(5);
    expect(rig.outcomes.get("a")).to.equal("tx.reverted");
  });

  it("an event that should be there and is not counts as failed", async () => {
    const rig = journalRig();
    rig.submit(rig.intent("a", { expectEvent: `0x${"11".repeat(32)}` }));
    await rig.rounds(5);
    expect(rig.journal.status("a")).to.include({ state: "reverted", code: "tx.event_missing" });
  });

  it("caps: a fee spike pauses with a reason and resumes", async () => {
    const rig = journalRig({ limits: { maxFeePerGas: 50n * GWEI, maxTxCost: 10n ** 18n, maxDayCost: 10n ** 19n } });
    rig.chain.baseFee = 100n * GWEI;
    rig.submit(rig.intent("a"));
    await rig.rounds(3);
    expect(rig.journal.status("a")).to.include({ state: "simulated", nonce: null });
    expect(rig.journal.status("a")!.waiting).to.match(/above the cap/);
    rig.chain.baseFee = GWEI;
    await rig.rounds(5);
    expect(rig.outcomes.get("a")).to.equal("final");
  });

  it("caps: the day's budget", async () => {
    const perTx = 60_000n * 3n * GWEI;
    const rig = journalRig({ limits: { maxFeePerGas: 50n * GWEI, maxTxCost: 10n ** 18n, maxDayCost: perTx * 2n } });
    for (const name of ["a", "b", "c"]) rig.submit(rig.intent(name));
    await rig.rounds(6);
    expect(rig.outcomes.get("b")).to.equal("final");
    expect(rig.journal.status("c")!.waiting).to.match(/cap of a day/);
    await rig.clock.advance(86_400_000);
    await rig.rounds(6);
    expect(rig.outcomes.get("c")).to.equal("final");
  });

  it("an empty balance pauses and resumes", async () => {
    const rig = journalRig();
    rig.chain.funded = false;
    rig.submit(rig.intent("a"));
    await rig.rounds(2);
    expect(rig.journal.status("a")!.waiting).to.match(/balance/);
    rig.chain.funded = true;
    await rig.rounds(8);
    expect(rig.outcomes.get("a")).to.equal("final");
  });

  it("all endpoints down: waits, does not fail; afterwards one effect", async () => {
    let down = false;
    const rig = journalRig({ faults: [{ down: () => down }, { down: () => down }] });
    rig.submit(rig.intent("a"));
    await rig.rounds(1, { mine: false });
    down = true;
    await rig.rounds(30, { seconds: 60 });
    down = false;
    await rig.rounds(40);
    expect(rig.outcomes.get("a")).to.equal("final");
    expect(rig.chain.effects()).to.have.length(1);
  });

  it("K3: what the policy does not allow is not signed", async () => {
    const rig = journalRig();
    rig.submit({ ...rig.intent("a"), data: "0xffffffff" });
    await rig.rounds(2);
    expect(rig.journal.status("a")).to.include({ state: "abandoned", code: "signer.policy_denied" });
  });

  it("an operator's bump and cancel", async () => {
    const rig = journalRig();
    rig.chain.baseFee = GWEI;
    rig.submit(rig.intent("a"));
    await rig.rounds(1, { mine: false });
    await rig.journal.bump("a");
    expect(rig.journal.status("a")!.state).to.equal("bumped");
    await rig.journal.cancel("a");
    await rig.rounds(5);
    expect(rig.outcomes.get("a")).to.equal("tx.cancelled");
    expect(rig.chain.effects()).to.have.length(0);
  });

  it("key = role, chain, contract, method, subject, epoch", () => {
    const key = intentKey("full", 1, TARGET, "certify", "0x01");
    expect(intentKey("full", 1, TARGET, "certify", "0x01", 0)).to.equal(key);
    expect(intentKey("data", 1, TARGET, "certify", "0x01")).not.to.equal(key);
    expect(intentKey("full", 2, TARGET, "certify", "0x01")).not.to.equal(key);
    expect(intentKey("full", 1, TARGET, "certify", "0x01", 1)).not.to.equal(key);
  });
});
