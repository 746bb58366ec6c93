import { globSync, readFileSync } from "node:fs";
import { expect } from "chai";
import type { Interface, ParamType } from "ethers";
import { seededRandom } from "../../keepers/clock/index.ts";
import { deployPayment, DEVNET_TIMES } from "../../scripts/deploy/payment.ts";
import * as protocol from "../../sdk/protocol/index.ts";
import { type Channel, type World, SETTLEMENT, WHOLE, eachAnew, world } from "./fixture.ts";

const T = DEVNET_TIMES;

interface Layout {
  storage: { label: string; slot: string; offset: number }[];
}

describe("PaymentEscrow: X2 to X7", () => {
  let w: World;
  eachAnew(async () => (w = await world()));

  const changes = (abi: Interface) => abi.fragments.filter((one) => one.type === "function" && !("constant" in one && one.constant)).map((one) => (one as unknown as { name: string }).name);
  const pastRefund = () => w.networkHelpers.time.increase(T.refund + T.stopMax + 1);

  /** Every way out for money that stands in three channels already. @returns who has what at the end. */
  async function runOut(channels: readonly Channel[]) {
    const [acked, posted, silent] = channels as [Channel, Channel, Channel];
    await w.escrow.connect(w.relayer).ack(acked.paymentId, 1_000n, await w.signAck(acked, 1_000n));
    const stretches = [w.stretch(posted, 0n, 1_000n)];
    const { header } = w.headerOf(stretches);
    await w.finalise(header);
    await w.escrow.connect(w.relayer).release(header, stretches, WHOLE);
    await pastRefund();
    await w.escrow.connect(w.relayer).refundExpired(silent.paymentId);
    await w.escrow.connect(w.relayer).collect([protocol.termsHash(w.terms())], w.addresses.TestDollar);
    const owners = [w.payout, w.royaltyTo, w.admin, acked.payer, posted.payer, silent.payer, w.relayer];
    const credits = await Promise.all(owners.map((one) => w.credit(one)));
    for (const [i, owner] of owners.entries()) if (credits[i]! > 0n) await w.escrow.connect(w.relayer).withdraw(owner.address, w.addresses.TestDollar);
    return credits;
  }

  async function three(): Promise<Channel[]> {
    const channels = [await w.open(), await w.open(), await w.open()];
    for (const channel of channels) await w.claim(channel, 1_000n);
    return channels;
  }

  it("both halves of the escrow's code see one storage", () => {
    const layouts = globSync("artifacts/build-info/*.output.json").flatMap((file) => {
      const { contracts } = (JSON.parse(readFileSync(file, "utf8")) as { output: { contracts: Record<string, Record<string, { storageLayout?: Layout }>> } }).output;
      const half = (name: string) => contracts[`project/contracts/payments/${name}.sol`]?.[name]?.storageLayout;
      const [ledger, register] = [half("PaymentEscrow"), half("EscrowRegister")];
      return ledger && register ? [{ ledger, register }] : [];
    });
    expect(layouts, "build with storage layouts").not.to.have.length(0);
    const shape = ({ storage }: Layout) => storage.map(({ label, slot, offset }) => `${label} ${slot}+${offset}`);
    for (const { ledger, register } of layouts) expect(shape(register)).to.deep.equal(shape(ledger));
  });

  it("X2 no admin call changes who receives money that is here", async () => {
    const channels = await three();
    const snapshot = await w.networkHelpers.takeSnapshot();
    const plain = await runOut(channels);
    expect(plain).to.deep.equal([1_760n, 200n, 40n, 0n, 0n, 1_000n, 0n]);
    await snapshot.restore();
    await w.escrow.setFee(500);
    await w.escrow.setTreasury(w.relayer.address);
    await w.escrow.pauseIntake(true);
    await w.escrow.setStakePrice("0x00000000000000000000000000000000000000aa", 1n);
    expect(await runOut(channels)).to.deep.equal(plain);
    // These are all calls that change anything, and the four above are all that the admin has: a new one has to be added here.
    expect(changes(w.escrow.interface).sort()).to.deep.equal([
      "ack", "claim", "claimByReceipt", "claimPacked", "collect", "delegate", "pauseIntake", "redirect", "refundExpired", "refundRejected", "register",
      "registerDefault", "release", "setDefaultTerms", "setFee", "setStakePrice", "setTreasury", "skipGap", "sync", "withdraw",
    ]);
    expect(changes(w.inbox.interface).sort()).to.deep.equal(["bootstrap", "record", "rotate"]);
  });

  it("X3 pause then unpause is identity", async () => {
    await three();
    const slots = () => Promise.all(Array.from({ length: 32 }, (_, i) => w.ethers.provider.getStorage(w.addresses.PaymentEscrow, i)));
    const before = await slots();
    await w.escrow.pauseIntake(true);
    // One bit of one slot, and back.
    const paused = await slots();
    expect(paused.filter((value, i) => value !== before[i])).to.have.length(1);
    await w.escrow.pauseIntake(false);
    expect(await slots()).to.deep.equal(before);
  });

  it("X4 old routes keep working after new ones are added: default terms, another escrow, another inbox", async () => {
    await w.escrow.connect(w.authorizer).setDefaultTerms(w.terms());
    const stock = await w.open({ salt: `0x${"00".repeat(32)}` });
    const signed = await w.open();
    for (const channel of [stock, signed]) await w.claim(channel, 1_000n);
    await w.escrow.connect(w.authorizer).setDefaultTerms(w.terms({ payout: w.relayer.address as `0x${string}` }));
    const known = { AccessManager: w.addresses.AccessManager, TestDollar: w.addresses.TestDollar } as never;
    const second = await deployPayment(w.deployer, { settlement: { chainId: SETTLEMENT.chainId, address: SETTLEMENT.verifyingContract }, known, unitsPerStake: 1n });
    expect(second.PaymentEscrow).not.to.equal(w.addresses.PaymentEscrow);
    await w.escrow.ack(stock.paymentId, 1_000n, await w.signAck(stock, 1_000n));
    const stretches = [w.stretch(signed, 0n, 1_000n)];
    const { header } = w.headerOf(stretches);
    await w.finalise(header);
    await w.escrow.release(header, stretches, WHOLE);
    expect(await w.credit(w.payout)).to.equal(1_760n);
    expect(await w.credit(w.relayer)).to.equal(0n);
    // A channel of the old escrow is nothing to the new one: its terms name the old inbox, its config the old receiver.
    const other = await w.at<typeof w.escrow>("IPaymentEscrow", second.PaymentEscrow);
    await expect(other.register(signed.config, signed.terms!, signed.clientNonce)).to.be.revertedWithCustomError(other, "EscrowBadTerms");
    await other.connect(w.authorizer).setDefaultTerms(w.terms({ inbox: second.SettlementInbox }));
    await expect(other.registerDefault(stock.config)).to.be.revertedWithCustomError(other, "EscrowWrongReceiver");
  });

  it("X5 the price of a call does not grow with what happened before", async () => {
    const gas = async (sent: Promise<{ wait(): Promise<{ gasUsed: bigint } | null> }>) => (await (await sent).wait())!.gasUsed;
    const one = await w.open({ deposit: 10_000_000n });
    let at = 0n;
    // Amounts with the same number of zero bytes: calldata has its price, too.
    const round = async () => {
      const from = at;
      at += 0x10101n;
      const claim = await gas(w.escrow.connect(w.authorizer).claim([await w.row(one, at)], "0x"));
      const ack = await gas(w.escrow.connect(w.relayer).ack(one.paymentId, from + 0x8080n, await w.signAck(one, from + 0x8080n)));
      const stretches = [w.stretch(one, from, at)];
      const { header } = w.headerOf(stretches);
      await w.finalise(header);
      const release = await gas(w.escrow.connect(w.relayer).release(header, stretches, WHOLE));
      return [claim, ack, release];
    };
    await round();
    const early = await round();
    for (let i = 0; i < 12; i++) await round();
    for (let i = 0; i < 8; i++) await w.claim(await w.open({ terms: w.terms({ tariffHash: `0x${String(i).repeat(64)}` }) }), 1_000n);
    const late = await round();
    // Signatures and hashes have zero bytes by chance: 12 gas each.
    for (const [i, price] of late.entries()) expect(Number(price - early[i]!), `call ${i}`).to.be.within(-150, 150);
  });

  it("X6 no allowance and no dust is left when everybody has gone", async () => {
    const channels = await three();
    await runOut(channels);
    expect(await w.token.balanceOf(w.addresses.PaymentEscrow)).to.equal(0n);
    const approvals = await w.token.queryFilter(w.token.filters.Approval(w.addresses.PaymentEscrow));
    expect(approvals).to.have.length(0);
    const [claimed, settled] = await w.channels.receivers(w.addresses.PaymentEscrow, w.addresses.TestDollar);
    expect([claimed, settled]).to.deep.equal([3_000n, 3_000n]);
  });

  it("X7 whatever is asked of it, it refuses by a declared error", async () => {
    const random = seededRandom(7);
    const abi = w.escrow.interface;
    const declared = new Set<string>();
    for (const contract of [w.declared.interface, abi, (await w.ethers.getContractAt("EscrowRegister", w.addresses.PaymentEscrow)).interface]) {
      contract.forEachError((error) => declared.add(error.selector));
    }
    const channel = await w.open();
    const known = [channel.paymentId, w.addresses.TestDollar, w.addresses.PaymentEscrow, w.payout.address, w.authorizer.address];
    const seen = new Map<string, number>();
    for (const name of changes(abi)) {
      const fragment = abi.getFunction(name as never)!;
      for (let i = 0; i < 40; i++) {
        const data = (abi as Interface).encodeFunctionData(fragment, fragment.inputs.map((input) => valueOf(input, random, known)));
        const from = [w.authorizer, w.admin, w.relayer][i % 3]!.address;
        try {
          await w.ethers.provider.call({ to: w.addresses.PaymentEscrow, data, from });
        } catch (error) {
          const reason = (error as { data?: unknown }).data;
          const selector = typeof reason === "string" ? reason.slice(0, 10) : "none";
          expect(declared.has(selector), `${name}: ${selector}`).to.equal(true);
          seen.set(selector, (seen.get(selector) ?? 0) + 1);
        }
      }
    }
    expect(seen.size, "kinds of refusals seen").to.be.at.least(8);
  });
});

/** A value of a type: small, huge, zero, or something that the escrow knows. */
function valueOf(type: ParamType, random: () => number, known: readonly string[]): unknown {
  const pick = <V>(...list: readonly V[]): V => list[Math.floor(random() * list.length)]!;
  const hex = (bytes: number) => `0x${Array.from({ length: bytes }, () => Math.floor(random() * 256).toString(16).padStart(2, "0")).join("")}`;
  if (type.baseType === "array") return Array.from({ length: Math.floor(random() * 3) }, () => valueOf(type.arrayChildren!, random, known));
  if (type.baseType === "tuple") return type.components!.map((component) => valueOf(component, random, known));
  if (type.type === "address") return pick(hex(20), ...known.filter((one) => one.length === 42));
  if (type.type === "bool") return random() < 0.5;
  if (type.type === "bytes") return pick("0x", hex(65), hex(149));
  if (type.type === "bytes32") return pick(hex(32), `0x${"00".repeat(32)}`, ...known.filter((one) => one.length === 66));
  const bits = BigInt(type.type.replace("uint", "") || "256");
  return pick(0n, 1n, 3n, 2n ** bits - 1n, BigInt(hex(4)) % 2n ** bits);
}
