import { expect } from "chai";
import { Wallet, ZeroAddress } from "ethers";
import * as protocol from "../../sdk/protocol/index.ts";
import { freshKey } from "../utils/keys.ts";
import { type World, eachAnew, id, world } from "./fixture.ts";

const Claim = { Claimed: 1, Ahead: 2, NotRegistered: 3, NotAuthorized: 4, Refused: 5, TokenImpaired: 6 };

describe("PaymentEscrow", () => {
  let w: World;
  eachAnew(async () => (w = await world()));

  describe("register", () => {
    it("takes a channel whose salt commits to the terms, once", async () => {
      const channel = await w.open({ register: false });
      await expect(w.escrow.register(channel.config, channel.terms!, channel.clientNonce))
        .to.emit(w.escrow, "ChannelRegistered").withArgs(channel.paymentId, protocol.termsHash(channel.terms!), channel.payer.address, channel.config.token);
      await expect(w.escrow.register(channel.config, channel.terms!, channel.clientNonce)).not.to.emit(w.escrow, "ChannelRegistered");
      const record = await w.escrow.channelOf(channel.paymentId);
      expect(record.payer).to.equal(channel.payer.address);
      expect(record.isPrivate).to.equal(false);
      const terms = await w.escrow.termsOf(record.termsHash);
      expect([terms.nodeId, terms.payout, terms.royaltyBps, terms.feeBps]).to.deep.equal([w.nodeId, w.payout.address, 1_000n, 200n]);
    });

    it("E6 refuses other terms than the payer signed", async () => {
      const channel = await w.open({ register: false });
      const forged = { ...channel.terms!, settlementMode: protocol.SettlementMode.Private };
      await expect(w.escrow.register(channel.config, forged, channel.clientNonce)).to.be.revertedWithCustomError(w.escrow, "EscrowWrongSalt");
    });

    it("refuses bad terms, a foreign receiver, a short withdraw delay, and new channels while paused", async () => {
      for (const over of [
        { inbox: w.payout.address }, { payout: ZeroAddress }, { royaltyBps: 3_001 }, { feeBpsCap: 501 }, { settlementMode: 0 },
        { settlementMode: 4 }, { verification: 0 }, { verification: 5 }, { royaltyTo: ZeroAddress },
      ] as Partial<protocol.Terms>[]) {
        const channel = await w.open({ register: false, terms: w.terms(over) });
        await expect(w.escrow.register(channel.config, channel.terms!, channel.clientNonce), JSON.stringify(over))
          .to.be.revertedWithCustomError(w.escrow, "EscrowBadTerms");
      }
      const foreign = await w.open({ register: false, receiver: w.relayer.address });
      await expect(w.escrow.register(foreign.config, foreign.terms!, foreign.clientNonce)).to.be.revertedWithCustomError(w.escrow, "EscrowWrongReceiver");
      const channel = await w.open({ register: false });
      await w.escrow.pauseIntake(true);
      await expect(w.escrow.register(channel.config, channel.terms!, channel.clientNonce)).to.be.revertedWithCustomError(w.escrow, "EscrowPaused");
      await w.escrow.pauseIntake(false);
      await w.escrow.register(channel.config, channel.terms!, channel.clientNonce);
    });

    it("salt 0: the authorizer's default terms, always held", async () => {
      const channel = await w.open({ register: false, salt: `0x${"00".repeat(32)}` });
      await expect(w.escrow.registerDefault(channel.config)).to.be.revertedWithCustomError(w.escrow, "EscrowNoDefaultTerms");
      await w.escrow.connect(w.authorizer).setDefaultTerms(w.terms({ settlementMode: protocol.SettlementMode.Private }));
      await w.escrow.registerDefault(channel.config);
      expect((await w.escrow.channelOf(channel.paymentId)).isPrivate).to.equal(false);
      // E6: later defaults do not reach it.
      await w.escrow.connect(w.authorizer).setDefaultTerms(w.terms({ payout: w.relayer.address as `0x${string}` }));
      const { termsHash } = await w.escrow.channelOf(channel.paymentId);
      expect((await w.escrow.termsOf(termsHash)).payout).to.equal(w.payout.address);
      await w.claim(channel, 500n);
      expect((await w.money(channel)).held).to.equal(500n);
    });
  });

  describe("claim", () => {
    it("claims, sweeps and opens a mark; the same again has no effect (E7)", async () => {
      const channel = await w.open();
      const rows = [await w.row(channel, 700n, 1_000n)];
      await expect(w.escrow.connect(w.authorizer).claim(rows, "0x")).to.emit(w.escrow, "MarksOpened").withArgs([[channel.paymentId, 700n]]);
      expect(await w.token.balanceOf(w.addresses.PaymentEscrow)).to.equal(700n);
      await expect(w.escrow.connect(w.authorizer).claim(rows, "0x")).not.to.emit(w.escrow, "MarksOpened");
      const money = await w.money(channel);
      expect([money.totalClaimed, money.settledUpTo, money.held, money.mark]).to.deep.equal([700n, 0n, 700n, 700n]);
    });

    it("by signature of the authorizer, carried by anyone; a forged one carries nothing", async () => {
      const channel = await w.open();
      const rows = [await w.row(channel, 700n)];
      const types = {
        ClaimBatch: [{ name: "claims", type: "ClaimEntry[]" }],
        ClaimEntry: [{ name: "channelId", type: "bytes32" }, { name: "maxClaimableAmount", type: "uint128" }, { name: "totalClaimed", type: "uint128" }],
      };
      const claims = [{ channelId: channel.paymentId, maxClaimableAmount: 700n, totalClaimed: 700n }];
      const forged = await w.relayer.signTypedData(w.x402Domain, types, { claims });
      expect(await w.escrow.connect(w.relayer).claim.staticCall(rows, forged)).to.deep.equal([BigInt(Claim.NotAuthorized)]);
      expect(await w.escrow.connect(w.relayer).claim.staticCall(rows, "0x")).to.deep.equal([BigInt(Claim.NotAuthorized)]);
      const signature = await w.authorizer.signTypedData(w.x402Domain, types, { claims });
      await w.escrow.connect(w.relayer).claim(rows, signature);
      expect((await w.money(channel)).mark).to.equal(700n);
    });

    it("by a receipt whose end is the row's", async () => {
      const channel = await w.open();
      const key = new Wallet(freshKey());
      const receipt = {
        nodeId: w.nodeId, keyId: id("key"), modelId: id("model"), termsHash: protocol.termsHash(channel.terms!), requestHash: id("q"), responseHash: id("a"),
        paymentId: channel.paymentId, cumulativeBefore: 200n, charge: 500n, inputUnits: 1n, outputUnits: 1n, sequence: 1n, issuedAt: 1n, outcome: 1,
      };
      const { domain, types, message } = protocol.receiptTypedData(receipt, { chainId: 713370, verifyingContract: "0x5e771e0000000000000000000000000000000001" });
      const signature = await key.signTypedData(domain, { InferenceReceipt: [...types.InferenceReceipt] }, message);
      const rows = [await w.row(channel, 700n, 1_000n)];
      const call = () => w.escrow.connect(w.relayer).claimByReceipt.staticCall(rows, [receipt], [signature]);
      expect(await call()).to.deep.equal([BigInt(Claim.NotAuthorized)]);
      await w.escrow.connect(w.authorizer).delegate(key.address, true);
      expect(await call()).to.deep.equal([BigInt(Claim.Claimed)]);
      // The ceiling of the voucher is not what the receipt says.
      const greedy = [await w.row(channel, 1_000n, 1_000n)];
      expect(await w.escrow.connect(w.relayer).claimByReceipt.staticCall(greedy, [receipt], [signature])).to.deep.equal([BigInt(Claim.NotAuthorized)]);
      await expect(w.escrow.claimByReceipt(rows, [], [])).to.be.revertedWithCustomError(w.escrow, "EscrowLengthMismatch");
    });

    it("skips bad rows with a status each and takes the good ones", async () => {
      const [good, unknown, forged, poor, stale] = [await w.open(), await w.open({ register: false }), await w.open(), await w.open({ deposit: 10n }), await w.open()];
      await w.claim(stale, 900n);
      const rows = [
        await w.row(good, 700n), await w.row(unknown, 700n), await w.row(forged, 700n, 700n, new Wallet(freshKey())), await w.row(poor, 700n), await w.row(stale, 100n),
      ];
      const want = [Claim.Claimed, Claim.NotRegistered, Claim.Refused, Claim.Refused, Claim.Ahead].map(BigInt);
      expect(await w.escrow.connect(w.authorizer).claim.staticCall(rows, "0x")).to.deep.equal(want);
      await w.escrow.connect(w.authorizer).claim(rows, "0x");
      expect((await w.money(good)).mark).to.equal(700n);
    });

    it("money claimed past the escrow is dated by sync, which anyone may call", async () => {
      const channel = await w.open();
      await w.channels.connect(w.authorizer).claim([await w.row(channel, 300n)]);
      expect((await w.money(channel)).mark).to.equal(0n);
      await w.escrow.connect(w.relayer).sync([channel.paymentId]);
      expect((await w.money(channel)).mark).to.equal(300n);
      expect(await w.escrow.sync.staticCall([id("nothing")])).to.deep.equal([BigInt(Claim.NotRegistered)]);
    });
  });

  describe("ack", () => {
    it("E9 releases at once: net + fee + royalty == gross", async () => {
      const channel = await w.open();
      await w.claim(channel, 12_345n);
      const signature = await w.signAck(channel, 12_345n);
      const preview = await w.lens.previewAck(w.addresses.PaymentEscrow, channel.paymentId, 12_345n);
      await expect(w.escrow.connect(w.relayer).ack(channel.paymentId, 12_345n, signature))
        .to.emit(w.escrow, "Released").withArgs(`0x${"00".repeat(32)}`, [[channel.paymentId, 0n, 12_345n]], 246n, 1_234n);
      expect(await w.escrow.sharesOf(protocol.termsHash(channel.terms!), w.addresses.TestDollar)).to.deep.equal([246n, 1_234n]);
      await expect(w.collect()).to.emit(w.escrow, "Collected").withArgs(protocol.termsHash(channel.terms!), w.addresses.TestDollar, 246n, 1_234n);
      await expect(w.collect()).not.to.emit(w.escrow, "Collected");
      expect([await w.credit(w.payout), await w.credit(w.admin), await w.credit(w.royaltyTo)]).to.deep.equal([10_865n, 246n, 1_234n]);
      expect([preview.gross, preview.net, preview.fee, preview.royalty]).to.deep.equal([12_345n, 10_865n, 246n, 1_234n]);
      // E7
      await expect(w.escrow.ack(channel.paymentId, 12_345n, signature)).not.to.emit(w.escrow, "Released");
    });

    it("moves no more than is claimed; the same Ack carries on after the next claim", async () => {
      const channel = await w.open();
      await w.claim(channel, 100n);
      const signature = await w.signAck(channel, 250n);
      await w.escrow.ack(channel.paymentId, 250n, signature);
      expect((await w.money(channel)).settledUpTo).to.equal(100n);
      await w.claim(channel, 300n);
      await w.escrow.ack(channel.paymentId, 250n, signature);
      const money = await w.money(channel);
      expect([money.settledUpTo, money.held, money.mark]).to.deep.equal([250n, 50n, 300n]);
    });

    it("only the payer or its voucher key signs it", async () => {
      const voucherKey = new Wallet(freshKey());
      const channel = await w.open({ payerAuthorizer: voucherKey.address });
      await w.escrow.connect(w.authorizer).claim([await w.row(channel, 100n, 100n, voucherKey)], "0x");
      for (const stranger of [w.authorizer, w.payout, new Wallet(freshKey())]) {
        await expect(w.escrow.ack(channel.paymentId, 100n, await w.signAck(channel, 100n, stranger))).to.be.revertedWithCustomError(w.escrow, "EscrowBadSigner");
      }
      await expect(w.escrow.ack(channel.paymentId, 101n, await w.signAck(channel, 100n))).to.be.revertedWithCustomError(w.escrow, "EscrowBadSigner");
      await w.escrow.ack(channel.paymentId, 40n, await w.signAck(channel, 40n, voucherKey));
      await w.escrow.ack(channel.paymentId, 100n, await w.signAck(channel, 100n));
      expect((await w.money(channel)).settledUpTo).to.equal(100n);
      await expect(w.escrow.ack(id("x"), 1n, "0x")).to.be.revertedWithCustomError(w.escrow, "EscrowNotRegistered");
    });
  });

  describe("withdraw", () => {
    it("anyone pushes a credit to its beneficiary, or where it redirected it; E11 while intake is paused", async () => {
      const channel = await w.open();
      await w.claim(channel, 1_000n);
      await w.escrow.pauseIntake(true);
      await w.escrow.ack(channel.paymentId, 1_000n, await w.signAck(channel, 1_000n));
      await w.escrow.connect(w.relayer).withdraw(w.payout.address, w.addresses.TestDollar);
      expect(await w.token.balanceOf(w.payout.address)).to.equal(880n);
      await expect(w.escrow.withdraw(w.payout.address, w.addresses.TestDollar)).to.be.revertedWithCustomError(w.escrow, "EscrowNothingToWithdraw");
      const elsewhere = new Wallet(freshKey()).address;
      await w.escrow.connect(w.royaltyTo).redirect(elsewhere);
      await w.collect();
      await w.escrow.withdraw(w.royaltyTo.address, w.addresses.TestDollar);
      expect(await w.token.balanceOf(elsewhere)).to.equal(100n);
    });
  });

  it("E13 donations and foreign sweeps change no ledger", async () => {
    const channel = await w.open();
    await w.token.mint(w.addresses.PaymentEscrow, 5_000n);
    await w.channels.connect(w.authorizer).claim([await w.row(channel, 300n)]);
    await w.channels.settle(w.addresses.PaymentEscrow, w.addresses.TestDollar);
    await w.claim(channel, 400n);
    const money = await w.money(channel);
    expect([money.totalClaimed, money.held]).to.deep.equal([400n, 400n]);
  });

  it("admin: fee and stake price keep their limits; strangers are refused", async () => {
    await expect(w.escrow.setFee(501)).to.be.revertedWithCustomError(w.escrow, "EscrowFeeTooHigh");
    await expect(w.escrow.setStakePrice(w.addresses.TestDollar, 1n)).to.be.revertedWithCustomError(w.escrow, "EscrowStakePriceSet");
    await expect(w.escrow.setTreasury(ZeroAddress)).to.be.revertedWithCustomError(w.escrow, "EscrowZeroAddress");
    await expect(w.escrow.connect(w.relayer).setFee(1)).to.be.revertedWithCustomError(w.declared, "AccessManagedUnauthorized");
    // X2: a higher fee does not reach terms that are registered.
    const channel = await w.open();
    await w.escrow.setFee(500);
    await w.claim(channel, 1_000n);
    await w.escrow.ack(channel.paymentId, 1_000n, await w.signAck(channel, 1_000n));
    await w.collect();
    expect(await w.credit(w.admin)).to.equal(20n);
  });
});
