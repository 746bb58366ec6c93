/** What a facilitator must not be talked into, and what a server must not believe of it. Each gap is shown on the stock stack first. */
import { x402Client } from "@x402/core/client";
import { x402Facilitator } from "@x402/core/facilitator";
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import type { FacilitatorClient } from "@x402/core/server";
import type { PaymentPayload, PaymentRequired, PaymentRequirements } from "@x402/core/types";
import { toClientEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { ExactEvmScheme as ExactClient } from "@x402/evm/exact/client";
import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { UptoEvmScheme as UptoFacilitator } from "@x402/evm/upto/facilitator";
import { expect } from "chai";
import { type Address, type Hex, encodeFunctionData, parseSignature, serializeErc6492Signature, serializeSignature, toHex, zeroAddress } from "viem";
import { facilitatorSigner, localFacilitator, makeFacilitator } from "../../keepers/payments/facilitator.ts";
import { nonceStore } from "../../keepers/payments/nonces.ts";
import { openStore } from "../../keepers/storage/index.ts";
import { artifact } from "../../scripts/deploy/chain.ts";
import { localAccount } from "../../sdk/crypto/index.ts";
import { X402 } from "../../sdk/payments/x402.ts";
import { channelIdOf } from "../../sdk/payments/voucher.ts";
import type { OddToken } from "../../types/contracts/index.js";
import { freshKey } from "../utils/keys.ts";
import { type World, world } from "./fixture.ts";
import { type TestNode, account, startNode } from "./node.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
type Change = (payment: { payload: Record<string, unknown>; accepted: PaymentRequirements }) => void;

describe("facilitator", () => {
  let w: World;
  let node: TestNode;
  let network: `eip155:${number}`;
  before(async () => {
    w = await world();
    node = await startNode(w);
    network = `eip155:${w.chainId}`;
  });
  after(() => node.close());

  const post = (url: string, body: object, headers: Record<string, string> = {}) => fetch(`${url}/v1/chat`, { method: "POST", body: JSON.stringify(body), headers });
  async function buyer(at: TestNode = node) {
    const payer = localAccount(freshKey());
    await w.token.mint(payer.address, 1_000_000n);
    const signer = toClientEvmSigner(payer as never, at.client as never);
    const client = new x402Client().register(network, new ExactClient(signer)).register(network, new UptoEvmScheme(signer)).register(network, new BatchSettlementEvmScheme(signer)).setSpendControls(false);
    const pay = async (body: object, scheme: string): Promise<PaymentPayload> => {
      const required: PaymentRequired = decodePaymentRequiredHeader((await post(at.url, body)).headers.get("PAYMENT-REQUIRED")!);
      return client.createPaymentPayload({ ...required, accepts: required.accepts.filter((accept) => accept.scheme === scheme) });
    };
    const send = (payment: PaymentPayload, body: object) => post(at.url, body, { "PAYMENT-SIGNATURE": encodePaymentSignatureHeader(payment) });
    return { payer, pay, send, balance: () => w.token.balanceOf(payer.address) };
  }
  const options = (asset: Address) => ({ network, chainId: w.chainId, sender: account(5).address, tx: node.tx, client: node.client as never, assets: [asset] });

  it("is not talked into calling a factory (ERC-6492): none is allowed unless the operator names it", async () => {
    const { pay } = await buyer();
    const payment = await pay({ charge: 1 }, "exact");
    // An arbitrary call, dressed as a wallet's deployment: it would mint to whoever signed nothing.
    const thief = localAccount(freshKey()).address;
    const data = encodeFunctionData({ abi: artifact("TestDollar").abi, functionName: "mint", args: [thief, 7n] });
    const payload = payment.payload as { signature: Hex; authorization: { from: string } };
    payload.authorization.from = thief;
    payload.signature = serializeErc6492Signature({ address: w.addresses.TestDollar, data, signature: payload.signature });
    await w.token.mint(thief, 5_000n);
    const settle = (facilitator: x402Facilitator) => facilitator.settle(payment, payment.accepted).catch((error: Error) => ({ success: false, errorReason: error.message }));
    const refused = await settle(node.facilitator);
    expect([refused.success, await w.token.balanceOf(thief)]).to.deep.equal([false, 5_000n]);
    // The same code with the factory allowed makes the call, although the payment then fails: that is the gap.
    await settle(makeFacilitator({ ...options(w.addresses.TestDollar), allowedFactories: [w.addresses.TestDollar] }));
    expect(await w.token.balanceOf(thief)).to.equal(5_007n);
  });

  async function oddToken() {
    const token = await w.deployer.deploy(artifact("OddToken").abi, artifact("OddToken").bytecode, []);
    return { token, odd: await w.at<OddToken>("OddToken", token) };
  }

  it("a token that forgets nonces: a second payment under a used one is refused before anything is sent; a retry sends nothing", async () => {
    const { token, odd: forgetful } = await oddToken();
    await forgetful.setOddity(8, w.ethers.ZeroAddress, "0x"); // IgnoresReusedNonce
    const { payer, pay } = await buyer();
    await forgetful.mint(payer.address, 10_000n);
    const offered = (await pay({ charge: 1 }, "exact")).accepted;
    const requirements = { ...offered, asset: token, amount: "1000" };
    const client = new x402Client().register(network, new ExactClient(toClientEvmSigner(payer as never, node.client as never))).setSpendControls(false);
    const payment = await client.createPaymentPayload({ x402Version: 2, accepts: [requirements], resource: { url: node.url, description: "", mimeType: "" } });
    const vault = async () => forgetful.balanceOf(requirements.payTo);

    const ours = makeFacilitator({ ...options(token), nonces: nonceStore(openStore(":memory:")) });
    expect((await ours.settle(payment, requirements)).success).to.equal(true);
    expect(await vault()).to.equal(1_000n);
    // The same authorisation in other words: a new call, which the token accepts and which moves nothing.
    const { authorization } = payment.payload as unknown as { authorization: Record<string, string> };
    const other = { ...authorization, validBefore: String(BigInt(authorization.validBefore!) + 1n) };
    const signature = await payer.signTypedData({
      domain: { name: "Test Dollar", version: "1", chainId: w.chainId, verifyingContract: token }, primaryType: "TransferWithAuthorization",
      types: { TransferWithAuthorization: [{ name: "from", type: "address" }, { name: "to", type: "address" }, { name: "value", type: "uint256" }, { name: "validAfter", type: "uint256" }, { name: "validBefore", type: "uint256" }, { name: "nonce", type: "bytes32" }] },
      message: other as never,
    });
    const second = { ...payment, payload: { ...payment.payload, authorization: other, signature } } as PaymentPayload;
    const stock = new x402Facilitator().register(network, new ExactEvmScheme(facilitatorSigner({ ...options(token), nextKey: () => "stock" })));
    const sent = () => w.ethers.provider.getTransactionCount(account(5).address);
    const before = await sent();
    // The stock one notices when it has paid for the transaction; a nonce that is known needs none.
    expect(await stock.settle(second, requirements)).to.include({ success: false, errorReason: "invalid_exact_evm_transfer_event_mismatch" });
    expect([await vault(), (await sent()) - before]).to.deep.equal([1_000n, 1]);
    expect(await ours.settle(second, requirements)).to.include({ success: false, errorReason: "nonce_used" });
    expect((await sent()) - before).to.equal(1);
    // The same payment again is a retry, not a second one.
    expect((await ours.settle(payment, requirements)).success).to.equal(true);
    expect([await vault(), (await sent()) - before]).to.deep.equal([1_000n, 1]);
  });

  it("a token that says yes and moves nothing: the stock facilitator reports an `upto` payment, ours misses the transfer", async () => {
    const { token, odd: mute } = await oddToken();
    const { payer, pay } = await buyer();
    await mute.mint(payer.address, 10_000n);
    await w.networkHelpers.setBalance(payer.address, 10n ** 18n);
    await w.networkHelpers.impersonateAccount(payer.address);
    await mute.connect(await w.ethers.getSigner(payer.address)).approve(X402.permit2, 10_000n);
    const requirements = { ...(await pay({ charge: 1 }, "upto")).accepted, asset: token };
    const client = new x402Client().register(network, new UptoEvmScheme(toClientEvmSigner(payer as never, node.client as never))).setSpendControls(false);
    const sign = () => client.createPaymentPayload({ x402Version: 2, accepts: [requirements], resource: { url: node.url, description: "", mimeType: "" } });
    const [first, second] = [await sign(), await sign()];
    await mute.setOddity(9, w.ethers.ZeroAddress, "0x"); // MuteTransferFrom
    const stock = new x402Facilitator().register(network, new UptoFacilitator(facilitatorSigner(options(token))));
    expect((await stock.settle(first, requirements)).success, "the gap").to.equal(true);
    expect(await makeFacilitator(options(token)).settle(second, requirements)).to.include({ success: false, errorReason: "transfer_missing" });
    expect(await mute.balanceOf(payer.address)).to.equal(10_000n);
  });

  it("times out and sends later: the payer is charged once, and the payment serves nobody else", async () => {
    for (const scheme of ["upto", "exact"] as const) {
      let late: Promise<unknown> | undefined;
      let sendNow = (): void => {};
      const refused = new Promise<void>((resolve) => (sendNow = resolve));
      const local = localFacilitator(node.facilitator, network);
      const slow: FacilitatorClient = {
        ...local,
        settle: async (payment, requirements) => {
          late ??= refused.then(() => local.settle(payment, requirements));
          throw new Error("no answer within 30 s");
        },
      };
      const at = await startNode(w, { facilitator: slow });
      const { pay, send, balance } = await buyer(at);
      const body = { charge: 40, ceiling: 90, tag: scheme };
      const payment = await pay(body, scheme);
      expect((await send(payment, body)).status, scheme).to.not.equal(200);
      sendNow();
      await late;
      const spent = scheme === "upto" ? 40n : 90n;
      expect(1_000_000n - (await balance()), scheme).to.equal(spent);
      const again = await send(payment, body);
      expect([again.status, ((await again.json()) as { error: { code: string } }).error.code], scheme).to.deep.equal([409, "PAYMENT_REUSED"]);
      expect(1_000_000n - (await balance()), scheme).to.equal(spent);
      expect(at.handled()).to.equal(scheme === "upto" ? 1 : 0);
      await at.close();
    }
  });

  it("a channel whose vouchers a contract checks is good for one request", async () => {
    const { payer } = await buyer();
    const opened = await w.open({ payer: { address: payer.address, signTypedData: (domain: object, types: object, message: object) => payer.signTypedData({ domain, types, primaryType: Object.keys(types)[0], message } as never) } as never, payerAuthorizer: zeroAddress, salt: toHex(0n, { size: 32 }), register: false });
    const required: PaymentRequired = decodePaymentRequiredHeader((await post(node.url, { charge: 5 })).headers.get("PAYMENT-REQUIRED")!);
    const accepted = required.accepts.find(({ scheme }) => scheme === "batch-settlement")!;
    const voucher = async (maxClaimableAmount: string): Promise<string> => {
      const signature = await payer.signTypedData({ domain: w.x402Domain as never, primaryType: "Voucher", types: { Voucher: [{ name: "channelId", type: "bytes32" }, { name: "maxClaimableAmount", type: "uint128" }] }, message: { channelId: opened.paymentId, maxClaimableAmount: BigInt(maxClaimableAmount) } });
      return encodePaymentSignatureHeader({ x402Version: 2, accepted, payload: { type: "voucher", channelConfig: opened.config, voucher: { channelId: opened.paymentId, maxClaimableAmount, signature } } } as never);
    };
    expect(channelIdOf(opened.config as never, w.chainId)).to.equal(opened.paymentId);
    const first = await post(node.url, { charge: 5 }, { "PAYMENT-SIGNATURE": await voucher("1000") });
    expect(first.status).to.equal(200);
    const second = await post(node.url, { charge: 5 }, { "PAYMENT-SIGNATURE": await voucher("1005") });
    expect([second.status, await second.text()]).to.satisfy(([status, text]: [number, string]) => status === 402 && text.includes("checked by a contract at claim time"));
    expect(node.urgent).to.include(opened.paymentId);
  });

  describe("verify vectors of all three schemes: refused by server and facilitator alike, and nothing moves", () => {
    const signatureOf: Record<string, (payload: never) => { signature: Hex }> = {
      exact: (payload) => payload, upto: (payload) => payload, "batch-settlement": (payload) => (payload as { voucher: { signature: Hex } }).voucher,
    };
    const onSignature = (scheme: string, change: (signature: Hex) => Hex): Change => ({ payload }) => {
      const holder = signatureOf[scheme]!(payload as never);
      holder.signature = change(holder.signature);
    };
    const flip = (signature: Hex) => {
      const { r, s, yParity } = parseSignature(signature);
      return serializeSignature({ r, s, yParity: 1 - yParity });
    };
    const high = (signature: Hex) => {
      const { r, s, yParity } = parseSignature(signature);
      return serializeSignature({ r, s: toHex(ORDER - BigInt(s), { size: 32 }), yParity: 1 - yParity });
    };
    const bare = (signature: Hex): Hex => `${signature.slice(0, 130) as Hex}${signature.endsWith("1b") ? "00" : "01"}`;
    const other = "0x00000000000000000000000000000000000000ff";
    /** Changes the field at a path of the payload; a bigint is added, a text replaces. */
    const at = (path: string, value: string | number | bigint): Change => ({ payload }) => {
      const names = path.split(".");
      const last = names.pop()!;
      const holder = names.reduce((inner, name) => inner[name] as never, payload as Record<string, unknown>);
      holder[last] = typeof value === "bigint" ? String(BigInt(holder[last] as string) + value) : value;
    };
    const fields: Record<string, Record<string, Change>> = {
      exact: {
        "value + 1": at("authorization.value", 1n), "value - 1": at("authorization.value", -1n), "swapped from": at("authorization.from", other),
        recipient: at("authorization.to", other), expired: at("authorization.validBefore", "1"), future: at("authorization.validAfter", "99999999999"),
      },
      upto: {
        "value + 1": at("permit2Authorization.permitted.amount", 1n), "value - 1": at("permit2Authorization.permitted.amount", -1n),
        "swapped from": at("permit2Authorization.from", other), recipient: at("permit2Authorization.witness.to", other),
        facilitator: at("permit2Authorization.witness.facilitator", other), expired: at("permit2Authorization.deadline", "1"),
        future: at("permit2Authorization.witness.validAfter", "99999999999"),
      },
      "batch-settlement": {
        "value + 1": at("voucher.maxClaimableAmount", 1n), "value - 1": at("voucher.maxClaimableAmount", -1n), "swapped from": at("channelConfig.payer", other),
        recipient: at("channelConfig.receiver", other), authorizer: at("channelConfig.receiverAuthorizer", other), "withdraw delay": at("channelConfig.withdrawDelay", 900),
        "other channel": at("voucher.channelId", `0x${"12".repeat(32)}`),
      },
    };
    const common = (scheme: string): Record<string, Change> => ({
      payTo: ({ accepted }) => (accepted.payTo = other), asset: ({ accepted }) => (accepted.asset = other), network: ({ accepted }) => (accepted.network = "eip155:1"),
      "amount 0": ({ accepted }) => (accepted.amount = "0"), "amount - 1": ({ accepted }) => (accepted.amount = String(BigInt(accepted.amount) - 1n)),
      ...(scheme === "batch-settlement" ? {} : { "amount above what is signed": ({ accepted }: Parameters<Change>[0]) => void (accepted.amount = "1000000000") }),
      "flipped v": onSignature(scheme, flip), "high s": onSignature(scheme, high), "v without 27": onSignature(scheme, bare), "no signature": onSignature(scheme, () => "0x"),
      "wrong domain": onSignature(scheme, (signature) => `0x${signature.slice(4, 6)}${signature.slice(2, 4)}${signature.slice(6)}`),
    });

    for (const scheme of ["batch-settlement", "upto", "exact"]) {
      it(scheme, async () => {
        const { pay, send, balance } = await buyer();
        const handled = node.handled();
        for (const [name, change] of Object.entries({ ...common(scheme), ...fields[scheme] })) {
          const body = { charge: 1, vector: name };
          const good = await pay(body, scheme);
          const bad = structuredClone(good);
          change(bad as never);
          expect((await send(bad, body)).status, `server: ${name}`).to.be.oneOf([400, 402, 409]);
          const alone = localFacilitator(node.facilitator, network);
          expect((await alone.verify(bad, good.accepted)).isValid, `verify: ${name}`).to.equal(false);
          const settled = await alone.settle(bad, good.accepted).catch(() => ({ success: false }));
          expect(settled.success, `settle: ${name}`).to.equal(false);
        }
        expect([node.handled(), await balance()]).to.deep.equal([handled, 1_000_000n]);
        const body = { charge: 1, vector: "none" };
        expect((await send(await pay(body, scheme), body)).status).to.equal(200);
      });
    }
  });
});
