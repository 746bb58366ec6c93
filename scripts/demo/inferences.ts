import type { Hex } from "viem";
import { InferenceClient, type RequestChoice, type Verified } from "../../sdk/client/client.ts";
import { NodeSession } from "../../sdk/client/session.ts";
import { walrusStore } from "../../sdk/cli/network.ts";
import { publishedPrograms } from "../../sdk/models/program.ts";
import { paymentClient } from "../../sdk/payments/client.ts";
import { SettlementMode, Verification } from "../../sdk/protocol/enums.ts";
import { account } from "../devnet/accounts.ts";
import { access, type DemoContext, until } from "./context.ts";
import type { Recorder, StepId } from "./report.ts";

const dollars = (units: bigint) => `$${(Number(units) / 1e6).toFixed(6)}`;

/** Four answers, each paid by x402 and verified by the client before it goes on. */
export async function inferences(recorder: Recorder, context: DemoContext): Promise<void> {
  const { network, models } = context;
  const settlement = access(context.settlement, network.settlementFile);
  const payment = access(context.payment, network.paymentFile);

  const remember = <T>(id: StepId, { digest, payment: paid }: Verified<T>) => {
    context.answers.set(id, { digest, paymentId: paid.paymentId, charge: paid.charge });
    return paid;
  };
  const example = (name: string) => models.entries.find((entry) => entry.name === name)!;
  const infer = async (id: StepId, name: string, choice: RequestChoice) => {
    const { inputs, examples } = example(name);
    const input = { [inputs[0]!.name]: { shape: [...inputs[0]!.shape] as number[], data: [...examples[0]!.input] } };
    const verified = await context.client.infer(name, input, choice);
    const { charge, transaction } = remember(id, verified);
    const [output] = Object.values(verified.answer);
    const values = output!.data.slice(0, 3).map((value) => Number(value).toPrecision(4)).join(", ");
    const expected = examples[0]!.output[0]!;
    return { verified, detail: `${name} = ${values} (trainer: ${expected.toPrecision(4)}), ${verified.checks.length} checks, ${dollars(charge)}`, tx: transaction };
  };

  await recorder.run("chat-tee", "an LLM chat, streamed, under TEE", async () => {
    const name = "og-demo-lm";
    context.session = await NodeSession.find(settlement, name, "Tee");
    const payments = paymentClient({
      signer: account("payer"),
      chainId: payment.chain.id,
      reads: payment.client as never,
      fetch: context.session.fetch,
      policy: {
        network: `eip155:${payment.chain.id}`,
        tokens: [network.payment.TestDollar],
        escrows: [network.payment.PaymentEscrow],
        inboxes: [network.payment.SettlementInbox],
        minWithdrawDelay: 900,
        maxCharge: 1_000_000n,
        // The node's identity comes from the registry, never from its own offer.
        check: ({ terms, authorizer }) => {
          const { info } = context.session;
          if (terms && (terms.nodeId !== info.nodeId || terms.payout !== info.payout)) throw new Error("the offer's terms name another node or payout than the registry");
          if (authorizer && authorizer.toLowerCase() !== info.paymentAuthorizer.toLowerCase()) throw new Error("the offer names another payment authorizer than the registry");
        },
      },
    });
    const domain = { chainId: settlement.chain.id, verifyingContract: network.settlement.InferenceSettlement };
    // Read by content hash, so no blob id is ever computed and there is nothing to close.
    const { blobs } = walrusStore({ publisher: context.walrusUrl, aggregators: [context.walrusUrl] });
    const programs = publishedPrograms((version) => blobs.read(version.blobId, { contentHash: version.contentHash }));
    context.client = new InferenceClient({ session: context.session, payments, domain, programs });
    const started = performance.now();
    const stream = await context.client.chatStream({ model: name, messages: [{ role: "user", content: "What does a full node check?" }], max_tokens: 40, seed: 7 });
    let first: number | undefined;
    let pieces = 0;
    for await (const piece of stream) {
      first ??= performance.now() - started;
      pieces += piece.length > 0 ? 1 : 0;
    }
    const verified = await stream.verified;
    const { charge, transaction } = remember("chat-tee", verified);
    return {
      detail: `"${verified.answer.content?.trim().slice(0, 60)}..." in ${pieces} pieces, first after ${first?.toFixed(0)} ms (deposit included), ${verified.checks.length} checks, ${dollars(charge)}`,
      tx: transaction,
      gas: await gasOf(payment, transaction),
      value: undefined,
    };
  });

  await recorder.run("infer-tee", "an ONNX inference under TEE, settled individually", async () => {
    const { detail, tx } = await infer("infer-tee", "volatility", { verification: Verification.Tee, settlementMode: SettlementMode.Individual });
    return { detail, tx, gas: await gasOf(payment, tx), value: undefined };
  });

  await recorder.run("infer-zkml", "the same for the credit model, with a Groth16 proof", async () => {
    const { verified, detail, tx } = await infer("infer-zkml", "credit-score", { verification: Verification.Zkml, settlementMode: SettlementMode.Individual });
    const started = performance.now();
    const proof = await until("the proof", async () => {
      const state = await context.client.proof(verified.digest);
      if (state.status === "failed") throw new Error(`the node could not prove its answer: ${state.reason}`);
      return state.status === "proven" && state;
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    return { detail: `${detail}; proof with ${proof.publicInputs!.length} public inputs ${seconds} s later`, tx, gas: await gasOf(payment, tx), value: undefined };
  });

  await recorder.run("infer-vanilla", "a vanilla one, signed by the node alone", async () => {
    const { detail, tx } = await infer("infer-vanilla", "digits", { verification: Verification.Vanilla });
    return { detail, tx, gas: await gasOf(payment, tx), value: undefined };
  });
}

async function gasOf(payment: ReturnType<typeof access>, hash: Hex | undefined): Promise<bigint | undefined> {
  return hash && (await payment.client.getTransactionReceipt({ hash })).gasUsed;
}
