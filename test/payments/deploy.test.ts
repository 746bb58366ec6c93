import { expect } from "chai";
import { network } from "hardhat";
import { type Address, custom, defineChain } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { artifact, deployChain } from "../../scripts/deploy/chain.ts";
import { MAINNET_TIMES, deployPayment, deployRoutedUpto } from "../../scripts/deploy/payment.ts";
import { X402 } from "../../sdk/payments/x402.ts";
import { MNEMONIC } from "./node.ts";

/** Base's id, and even called a test network: what counts is that it is none of ours. */
async function baseLike(originals: boolean) {
  const { provider, ethers } = await network.create({ network: "default", override: { chainId: 8453 } });
  const chain = defineChain({
    id: 8453, name: "Base", nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 }, rpcUrls: { default: { http: ["http://unused.invalid"] } }, testnet: true,
  });
  const transport = custom({ request: (args) => provider.request(args as never) as Promise<unknown> }, { retryCount: 0 });
  const deployer = deployChain({ chain, transport, account: mnemonicToAccount(MNEMONIC) });
  // Marked code: whoever replaced it would be seen.
  const originalOf = (address: Address) => `0x60${address.slice(2, 4).toLowerCase()}5f5260205ff3`;
  if (originals) for (const address of Object.values(X402)) await provider.request({ method: "hardhat_setCode", params: [address, originalOf(address)] });
  const sent = () => ethers.provider.getTransactionCount(deployer.deployer);
  return { deployer, ethers, sent, originalOf };
}

const settlement = { chainId: 713370, address: "0x5e771e0000000000000000000000000000000001" as Address };

describe("deployment of payments on a public chain", () => {
  it("uses what stands there, by configuration only, and sends nothing the second time", async () => {
    const { deployer, ethers, sent, originalOf } = await baseLike(true);
    const { abi, bytecode } = artifact("TestDollar");
    const token = await deployer.deploy(abi, bytecode, []);
    const treasury = "0x00000000000000000000000000000000000000fe";
    const first = await deployPayment(deployer, { settlement, token, treasury });
    for (const address of Object.values(X402)) expect(await ethers.provider.getCode(address)).to.equal(originalOf(address));
    expect([first.TestDollar, first.X402Channels]).to.deep.equal([token, X402.channels]);
    const escrow = await ethers.getContractAt("IPaymentEscrow", first.PaymentEscrow);
    expect([await escrow.channelContract(), await escrow.treasury(), await escrow.refundTime()]).to.deep.equal([X402.channels, ethers.getAddress(treasury), BigInt(MAINNET_TIMES.refund)]);
    expect(await escrow.minWithdrawDelay()).to.equal(86_400n);

    const before = await sent();
    expect(await deployPayment(deployer, { settlement, token, treasury, known: first })).to.deep.equal(first);
    const routed = await deployRoutedUpto(deployer, first);
    const after = await sent();
    expect(after - before, "channels, escrow and stake price of routed payments").to.equal(3);
    expect(await deployRoutedUpto(deployer, { ...first, known: routed })).to.deep.equal(routed);
    expect(await sent()).to.equal(after);
  });

  it("refuses before it sends anything where an original or the token is missing", async () => {
    const { deployer, sent } = await baseLike(false);
    const token = "0x00000000000000000000000000000000000000aa";
    await deployPayment(deployer, { settlement, token }).then(() => expect.fail("deployed twins"), (error: Error) => expect(error.message).to.contain(X402.channels));
    const sound = await baseLike(true);
    await deployPayment(sound.deployer, { settlement }).then(() => expect.fail("deployed a test dollar"), (error: Error) => expect(error.message).to.contain("payment token"));
    expect([await sent(), await sound.sent()]).to.deep.equal([0, 0]);
  });
});
