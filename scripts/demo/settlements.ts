import { type Hex, createWalletClient, http, parseEventLogs } from "viem";
import { feedConsumerAbi } from "../../types/abi/FeedConsumer.ts";
import { iDataFeedsAbi } from "../../types/abi/IDataFeeds.ts";
import { iInferenceSettlementAbi } from "../../types/abi/IInferenceSettlement.ts";
import { iPaymentEscrowAbi } from "../../types/abi/IPaymentEscrow.ts";
import { BatchStatus, nameOf } from "../../sdk/protocol/enums.ts";
import { paymentTotals } from "../../sdk/payments/totals.ts";
import { account } from "../devnet/accounts.ts";
import { access, type DemoContext, until } from "./context.ts";
import { type Recorder, type Totals, balances } from "./report.ts";

/** From signed receipts to money: settlement, certificate, release; and a feed that a contract reads. */
export async function settlements(recorder: Recorder, context: DemoContext): Promise<void> {
  const { network } = context;
  const settlement = access(context.settlement, network.settlementFile);
  const payment = access(context.payment, network.paymentFile);
  const contract = { address: network.settlement.InferenceSettlement, abi: iInferenceSettlementAbi } as const;

  const events = async () => parseEventLogs({ abi: iInferenceSettlementAbi, logs: await settlement.client.getLogs({ address: contract.address, fromBlock: 0n, toBlock: "latest" }) });
  const gasOf = async (hash: Hex) => (await settlement.client.getTransactionReceipt({ hash })).gasUsed;

  await recorder.run("settle-individual", "the TEE and the ZKML receipt, each verified in the settling call", async () => {
    const wanted = ["infer-tee", "infer-zkml"].map((id) => context.answers.get(id)!);
    const settled = await until("the individual settlements", async () => {
      const found = (await events()).filter((event) => event.eventName === "StretchSettled" && wanted.some(({ paymentId }) => paymentId === event.args.paymentId));
      return found.length === wanted.length && found;
    });
    // Alone in its header: the transaction that moved its payment's line checked its proof.
    const zkml = settled.find((event) => event.eventName === "StretchSettled" && event.args.paymentId === wanted[1]!.paymentId)!;
    const proved = (await events()).find((event) => (event.eventName === "ProofsVerified" || event.eventName === "ProofVerified") && event.transactionHash === zkml.transactionHash);
    if (!proved) throw new Error("the ZKML receipt settled without its proof");
    const hashes = [...new Set(settled.map((event) => event.transactionHash))];
    const gas = await Promise.all(hashes.map(gasOf));
    return { detail: `${settled.length} receipts final at once, proof verified on chain; gas ${gas.map((used) => used.toLocaleString("en")).join(" and ")}`, tx: proved.transactionHash, gas: await gasOf(proved.transactionHash), value: undefined };
  });

  const batch = await recorder.run("settle-batch", "the chat and the vanilla receipt in one batch, blob on Walrus", async () => {
    const posted = await until("the batch", async () => (await events()).find((event) => event.eventName === "HeaderPosted"));
    if (posted.eventName !== "HeaderPosted") throw new Error("unreachable");
    const { header, headerHash, fullBond } = posted.args;
    const { count, channels, totalCharge } = header;
    const lock = await settlement.client.readContract({ ...contract, functionName: "lockOf", args: [totalCharge, fullBond] });
    return {
      detail: `${count} receipts of ${channels} channels, ${totalCharge} units, ${lock / 10n ** 18n} OPG locked`,
      tx: posted.transactionHash,
      gas: await gasOf(posted.transactionHash),
      value: { headerHash, header: posted.args.header, block: posted.blockNumber },
    };
  });

  // While the batch is in its window: what the payer acknowledges does not wait for finality.
  await context.client.acknowledge(context.answers.get("chat-tee")!.paymentId);

  await recorder.run("certify", "full nodes check every leaf and certify; final after the window", async () => {
    const certified = await until("the certificate", async () => (await events()).find((event) => event.eventName === "BatchCertified" && event.args.headerHash === batch.headerHash));
    const status = await until("finality", async () => {
      const now = await settlement.client.readContract({ ...contract, functionName: "status", args: [batch.header] });
      return now === BatchStatus.Final && now;
    }, 180);
    return {
      detail: `certified ${certified.blockNumber! - batch.block!} blocks after posting, now ${nameOf(BatchStatus, status)}`,
      tx: certified.transactionHash,
      gas: await gasOf(certified.transactionHash),
      value: undefined,
    };
  });

  await recorder.run("release", "by the payer's Ack, and by the Finality certificate without the payer", async () => {
    const escrow = { address: network.payment.PaymentEscrow, fromBlock: 0n, toBlock: "latest" } as const;
    const released = await until("the releases", async () => {
      const found = parseEventLogs({ abi: iPaymentEscrowAbi, eventName: "Released", logs: await payment.client.getLogs(escrow) });
      const channels = new Set(found.flatMap((event) => event.args.moves.map(({ paymentId }) => paymentId)));
      return [...context.answers.values()].every(({ paymentId }) => channels.has(paymentId)) && found;
    }, 120);
    const byAck = released.filter((event) => BigInt(event.args.cause) === 0n);
    const byCertificate = released.filter((event) => BigInt(event.args.cause) !== 0n);
    if (byAck.length === 0 || byCertificate.length === 0) throw new Error(`${byAck.length} releases by Ack and ${byCertificate.length} by certificate; both were expected`);
    const { PaymentEscrow, EscrowLens, TestDollar } = network.payment;
    const totals = await paymentTotals({ client: payment.client, escrow: PaymentEscrow, lens: EscrowLens, token: TestDollar });
    recorder.totals = Object.fromEntries(Object.entries(totals).map(([name, units]) => [name, units.toString()])) as unknown as Totals;
    if (!balances(recorder.totals)) throw new Error(`the sums do not meet: ${JSON.stringify(recorder.totals)}`);
    const tx = byCertificate.at(-1)!.transactionHash;
    return {
      detail: `${byAck.length} by Ack, ${byCertificate.length} by certificate`,
      tx,
      gas: (await payment.client.getTransactionReceipt({ hash: tx })).gasUsed,
      value: undefined,
    };
  });

  await recorder.run("feed", "signed observations of an outside source; a contract reads them", async () => {
    const feeds = { address: network.settlement.DataFeeds, abi: iDataFeedsAbi } as const;
    const answer = await until("an observation", async () => {
      const newest = await settlement.client.readContract({ ...feeds, functionName: "peek", args: [context.feed.id] });
      return newest.updatedAt > 0n && newest;
    });
    const wallet = createWalletClient({ chain: settlement.chain, transport: http(settlement.rpcUrl), account: account("publisher") });
    const { request } = await settlement.client.simulateContract({ address: context.feed.consumer, abi: feedConsumerAbi, functionName: "use", args: [60n], account: wallet.account });
    const tx = await wallet.writeContract(request);
    const receipt = await settlement.client.waitForTransactionReceipt({ hash: tx });
    return { detail: `ETH/USD ${(Number(answer.value) / 1e8).toFixed(2)} by ${answer.operators} operator, read by a contract`, tx, gas: receipt.gasUsed, value: undefined };
  });
}
