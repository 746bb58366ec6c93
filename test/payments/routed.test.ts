import { x402Client } from "@x402/core/client";
import { x402Facilitator } from "@x402/core/facilitator";
import type { PaymentPayload, PaymentRequired, PaymentRequirements } from "@x402/core/types";
import { toClientEvmSigner } from "@x402/evm";
import { UptoEvmScheme as UptoClient } from "@x402/evm/upto/client";
import { UptoEvmScheme as UptoFacilitator } from "@x402/evm/upto/facilitator";
import { EIP2612_GAS_SPONSORING } from "@x402/extensions";
import { expect } from "chai";
import { type Address, type Hex, createPublicClient, createWalletClient } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { facilitatorSigner, walletSender } from "../../keepers/payments/facilitator.ts";
import { routedSigner } from "../../keepers/payments/routed.ts";
import { DEVNET_TIMES, deployRoutedUpto } from "../../scripts/deploy/payment.ts";
import * as protocol from "../../sdk/protocol/index.ts";
import type { IPaymentEscrow, UptoChannels } from "../../types/contracts/index.js";
import { freshKey } from "../utils/keys.ts";
import { account } from "./node.ts";
import { type World, WHOLE, eachAnew, world } from "./fixture.ts";

const PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";

describe("routed upto: the official classes, held like a channel", () => {
  let w: World;
  let hub: UptoChannels;
  let escrow: IPaymentEscrow;
  let route: Address;
  let terms: protocol.Terms;
  let facilitator: x402Facilitator;
  let client: ReturnType<typeof createPublicClient>;

  eachAnew(async () => {
    w = await world();
    const made = await deployRoutedUpto(w.deployer, { ...w.addresses, feeBps: 200 });
    hub = await w.at<UptoChannels>("UptoChannels", made.UptoChannels);
    escrow = await w.at<IPaymentEscrow>("IPaymentEscrow", made.UptoEscrow);
    terms = w.terms();
    client = createPublicClient({ chain: w.chain, transport: w.transport, pollingInterval: 20, cacheTime: 0 });
    await hub.makeRoute(account(5).address, protocol.termsHash(terms), made.UptoEscrow);
    route = (await hub.routeOf(account(5).address, protocol.termsHash(terms), made.UptoEscrow)) as Address;
    facilitator = facilitatorFor(account(5), route);
    return w;
  });

  function facilitatorFor(operator: ReturnType<typeof account>, at: Address) {
    const wallet = createWalletClient({ chain: w.chain, transport: w.transport, account: operator });
    const network = `eip155:${w.chainId}` as const;
    const signer = facilitatorSigner({
      network, chainId: w.chainId, sender: operator.address, tx: walletSender(client as never, wallet as never), client: client as never, assets: [w.addresses.TestDollar],
    });
    return new x402Facilitator().register(network, new UptoFacilitator(routedSigner(signer, client as never, at))).registerExtension(EIP2612_GAS_SPONSORING);
  }

  /** An unmodified official client answers an offer that pays to the hub and names the route. */
  async function pay(over: Partial<PaymentRequirements> = {}): Promise<{ payment: PaymentPayload; payer: ReturnType<typeof privateKeyToAccount> }> {
    const payer = privateKeyToAccount(freshKey());
    await w.token.mint(payer.address, 10_000n);
    const network = `eip155:${w.chainId}` as const;
    const paying = new x402Client().register(network, new UptoClient(toClientEvmSigner(payer as never, client as never))).setSpendControls(false);
    const requirements = {
      scheme: "upto", network, asset: w.addresses.TestDollar, amount: "1000", payTo: await hub.getAddress(), maxTimeoutSeconds: 300,
      extra: { name: "Test Dollar", version: "1", assetTransferMethod: "permit2", facilitatorAddress: route }, ...over,
    } as PaymentRequirements;
    const required = { x402Version: 2, resource: { url: "http://node.test/v1/chat" }, accepts: [requirements] } as unknown as PaymentRequired;
    await w.networkHelpers.impersonateAccount(payer.address);
    await w.networkHelpers.setBalance(payer.address, 10n ** 18n);
    await w.token.connect(await w.ethers.getSigner(payer.address)).approve(PERMIT2, 2n ** 255n);
    return { payment: await paying.createPaymentPayload(required), payer };
  }

  const nonceOf = (payment: PaymentPayload) => BigInt((payment.payload as { permit2Authorization: { nonce: string } }).permit2Authorization.nonce);
  const settle = (payment: PaymentPayload, amount: string) => facilitator.settle(payment, { ...payment.accepted, amount });

  /** What anybody does next: the payment is a channel of the escrow, and its clock runs. */
  async function enter(payment: PaymentPayload, payer: Address): Promise<Hex> {
    const nonce = nonceOf(payment);
    const paid = { operator: account(5).address, termsHash: protocol.termsHash(terms), escrow: await escrow.getAddress(), payer, token: w.addresses.TestDollar, nonce };
    const { payer: p, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt } = await hub.configOf(paid);
    const config = { payer: p, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt };
    await escrow.connect(w.relayer).register(config, terms, `0x${nonce.toString(16).padStart(64, "0")}`);
    const paymentId = (await hub.getChannelId(config)) as Hex;
    await escrow.connect(w.relayer).sync([paymentId]);
    return paymentId;
  }

  it("verify and settle by the stock facilitator: metered, held, released by the payer's Ack", async () => {
    const { payment, payer } = await pay();
    expect(await facilitator.verify(payment, payment.accepted)).to.include({ isValid: true });
    const settled = await settle(payment, "700");
    expect(settled, JSON.stringify(settled)).to.include({ success: true, amount: "700" });
    const paymentId = await enter(payment, payer.address);
    const line = await escrow.lineOf(paymentId);
    expect([line.settledUpTo, line.held]).to.deep.equal([0n, 700n]);
    expect(await w.token.balanceOf(await escrow.getAddress())).to.equal(700n);
    expect(await w.token.balanceOf(payer.address)).to.equal(9_300n);
    const signature = await payer.signTypedData({
      domain: protocol.eip712Domain({ chainId: w.chainId, verifyingContract: (await escrow.getAddress()) as Address }),
      types: { Ack: protocol.statementTypes.Ack }, primaryType: "Ack", message: { paymentId, cumulative: 700n },
    } as never);
    await escrow.connect(w.relayer).ack(paymentId, 700n, signature);
    expect(await escrow.credit(w.payout.address, w.addresses.TestDollar)).to.equal(616n);
  });

  it("released by a certificate, or back to the payer by silence", async () => {
    const [first, second] = [await pay(), await pay()];
    for (const { payment } of [first, second]) expect((await settle(payment, "1000")).success).to.equal(true);
    const posted = await enter(first.payment, first.payer.address);
    const silent = await enter(second.payment, second.payer.address);
    const stretches = [{ ...w.stretch({ paymentId: posted } as never, 0n, 1_000n), escrow: (await escrow.getAddress()) as Address }];
    const { header } = w.headerOf(stretches);
    await w.finalise(header);
    await escrow.release(header, stretches, WHOLE);
    expect(await escrow.credit(w.payout.address, w.addresses.TestDollar)).to.equal(880n);
    await w.networkHelpers.time.increase(DEVNET_TIMES.refund + DEVNET_TIMES.stopMax + 1);
    await escrow.refundExpired(silent);
    expect(await escrow.credit(second.payer.address, w.addresses.TestDollar)).to.equal(1_000n);
    await expect(escrow.refundExpired(posted)).to.be.revertedWithCustomError(escrow, "EscrowNothingHeld");
  });

  it("no other operator, no other terms, no other recipient, and once", async () => {
    const { payment } = await pay();
    // Another operator's facilitator is not the one that the payer named; sent past it, the route knows its operator.
    const stranger = facilitatorFor(account(6), route);
    expect((await stranger.settle(payment, payment.accepted)).success).to.equal(false);
    const other = (await hub.routeOf(account(6).address, protocol.termsHash(terms), await escrow.getAddress())) as Address;
    expect(await facilitatorFor(account(6), other).verify(payment, payment.accepted)).to.include({ isValid: false });
    expect((await settle(payment, "500")).success).to.equal(true);
    expect((await settle(payment, "500")).success).to.equal(false);
    expect((await hub.receivers(await escrow.getAddress(), w.addresses.TestDollar)).totalClaimed).to.equal(500n);
    const elsewhere = await pay({ payTo: w.relayer.address });
    expect((await settle(elsewhere.payment, "500")).success).to.equal(false);
    expect(await w.token.balanceOf(w.relayer.address)).to.equal(0n);
    await expect(hub.credit({ operator: account(5).address, termsHash: protocol.termsHash(terms), escrow: await escrow.getAddress(), payer: w.relayer.address, token: w.addresses.TestDollar, nonce: 1n }, 1n))
      .to.be.revertedWithCustomError(hub, "UptoNotRoute");
    await expect(hub.claim([])).to.be.revertedWithCustomError(hub, "UptoNoVouchers");
  });
});
