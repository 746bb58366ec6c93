import { expect } from "chai";
import { ZeroAddress } from "ethers";
import type { OddToken } from "../../types/contracts/index.js";
import { type Channel, type World, eachAnew, world } from "./fixture.ts";

const Odd = { None: 0, FeeOnTransfer: 1, FeeOnSender: 2, ReturnsNothing: 3, ReturnsFalse: 4, Reverts: 5, Blacklists: 6, Reenters: 7, IgnoresReusedNonce: 8 };
const [CLAIMED, IMPAIRED] = [1n, 6n];

describe("E10 E12 odd tokens: each works, or is impaired alone", () => {
  let w: World;
  let odd: OddToken;
  let oddChannel: Channel;
  let sound: Channel;
  eachAnew(async () => {
    w = await world();
    odd = (await w.ethers.deployContract("OddToken")) as unknown as OddToken;
    oddChannel = await w.open({ token: await odd.getAddress() });
    sound = await w.open();
    // Both have money in the escrow from better days.
    await w.claim(oddChannel, 1_000n);
    await w.claim(sound, 1_000n);
    for (const channel of [oddChannel, sound]) await w.escrow.ack(channel.paymentId, 500n, await w.signAck(channel, 500n));
    return w;
  });

  const turn = (oddity: number, target: string = ZeroAddress, call = "0x") => odd.setOddity(oddity, target, call);
  const claimBoth = async () => w.escrow.connect(w.authorizer).claim([await w.row(oddChannel, 2_000n), await w.row(sound, 2_000n)], "0x");
  const statuses = async () => w.escrow.connect(w.authorizer).claim.staticCall([await w.row(oddChannel, 2_000n), await w.row(sound, 2_000n)], "0x");
  const withdrawOdd = async () => w.escrow.withdraw(w.payout.address, await odd.getAddress());
  const balances = async () => [await odd.balanceOf(w.addresses.PaymentEscrow), await w.token.balanceOf(w.addresses.PaymentEscrow)];

  it("returns nothing: works", async () => {
    await turn(Odd.ReturnsNothing);
    expect(await statuses()).to.deep.equal([CLAIMED, CLAIMED]);
    await claimBoth();
    await withdrawOdd();
    expect(await odd.balanceOf(w.payout.address)).to.equal(440n);
  });

  for (const name of ["FeeOnTransfer", "ReturnsFalse", "Reverts"] as const) {
    it(`${name}: what does not arrive opens no mark; the other token does not notice`, async () => {
      await turn(Odd[name]);
      expect(await statuses()).to.deep.equal([IMPAIRED, CLAIMED]);
      await claimBoth();
      expect((await w.money(oddChannel)).mark).to.equal(1_000n);
      expect((await w.money(sound)).mark).to.equal(1_000n);
      expect((await balances())[1]).to.equal(2_000n);
    });
  }

  for (const name of ["FeeOnSender", "ReturnsFalse", "Reverts"] as const) {
    it(`${name}: a withdrawal that would cost the others is refused by name`, async () => {
      await turn(Odd[name]);
      const before = await balances();
      await expect(withdrawOdd()).to.be.revertedWithCustomError(w.escrow, "EscrowTransferFailed");
      expect(await balances()).to.deep.equal(before);
      await w.escrow.withdraw(w.payout.address, w.addresses.TestDollar);
    });
  }

  it("a blacklisted beneficiary redirects", async () => {
    await turn(Odd.Blacklists, w.payout.address);
    await expect(withdrawOdd()).to.be.revertedWithCustomError(w.escrow, "EscrowTransferFailed");
    await w.escrow.connect(w.payout).redirect(w.relayer.address);
    await withdrawOdd();
    expect(await odd.balanceOf(w.relayer.address)).to.equal(440n);
  });

  it("a token that calls back finds the escrow locked", async () => {
    const call = w.escrow.interface.encodeFunctionData("withdraw", [w.royaltyTo.address, w.addresses.TestDollar]);
    await turn(Odd.Reenters, w.addresses.PaymentEscrow, call);
    await withdrawOdd();
    expect(await odd.reentered()).to.equal(false);
    await w.collect();
    expect(await w.credit(w.royaltyTo)).to.equal(50n);
    await claimBoth();
    expect(await odd.reentered()).to.equal(false);
  });

  it("a token that ignores a reused nonce: the same deposit again brings nothing and is refused", async () => {
    await turn(Odd.IgnoresReusedNonce);
    const deposits = await w.channels.queryFilter(w.channels.filters.Deposited(oddChannel.paymentId));
    const sent = (await deposits[0]!.getTransaction()).data;
    const before = [await w.channels.channels(oddChannel.paymentId), await odd.balanceOf(w.addresses.X402Channels)];
    await expect(w.relayer.sendTransaction({ to: w.addresses.X402Channels, data: sent })).to.be.revertedWithCustomError(odd, "ERC20InsufficientBalance");
    expect([await w.channels.channels(oddChannel.paymentId), await odd.balanceOf(w.addresses.X402Channels)]).to.deep.equal(before);
    expect(await statuses()).to.deep.equal([CLAIMED, CLAIMED]);
  });

  it("a vault: odd tokens cannot make it lie, and a refusing one blocks itself alone", async () => {
    const vault = await w.ethers.deployContract("NodeVault", [w.nodeId, w.payout.address, w.admin.address, 200]);
    for (const token of [odd, w.token]) await token.mint(await vault.getAddress(), 1_000n);
    for (const name of ["ReturnsFalse", "Reverts"] as const) {
      await turn(Odd[name]);
      await expect(vault.withdraw(await odd.getAddress())).to.be.revertedWithCustomError(vault, "VaultTransferFailed");
    }
    await vault.withdraw(w.addresses.TestDollar);
    expect([await w.token.balanceOf(w.payout.address), await w.token.balanceOf(await vault.getAddress())]).to.deep.equal([980n, 0n]);
    const call = vault.interface.encodeFunctionData("withdraw", [await odd.getAddress()]);
    await turn(Odd.Reenters, await vault.getAddress(), call);
    await vault.withdraw(await odd.getAddress());
    expect(await odd.reentered()).to.equal(false);
    expect(await odd.balanceOf(w.payout.address)).to.equal(980n);
    await expect(w.ethers.deployContract("NodeVault", [w.nodeId, ZeroAddress, w.admin.address, 200])).to.be.revertedWithCustomError(vault, "VaultZeroAddress");
    await expect(w.ethers.deployContract("NodeVault", [w.nodeId, w.payout.address, w.admin.address, 501])).to.be.revertedWithCustomError(vault, "VaultFeeTooHigh");
  });
});
