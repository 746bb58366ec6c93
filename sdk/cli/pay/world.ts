import { createWalletClient, http, parseAbi } from "viem";
import { NodeSession } from "../../client/session.ts";
import type { ChainAccess } from "../../network/network.ts";
import type { ChannelMemory, ChannelRecord } from "../../payments/channels.ts";
import { offerFromJson } from "../../payments/offer.ts";
import type { Offer } from "../../payments/types.ts";
import type { MoneyAccount } from "../../payments/wallet.ts";
import { callerKey, openNetwork } from "../network.ts";
import { channelsFile, fileChannels } from "../payer.ts";

/** Which node and which terms are meant. */
export interface OfferQuery {
  model: string;
  node?: string;
  verification: string;
  settlement: string;
}

/** What the commands of `og pay` work on. */
export interface PayWorld {
  money: MoneyAccount;
  settlement: ChainAccess;
  payment: ChainAccess;
  memory: ChannelMemory;
  /** A node's offer, its node and authorizer compared with the registry. @throws TypeError, NodeUnavailableError */
  offer(query: OfferQuery): Promise<{ offer: Offer; modelId: `0x${string}` }>;
  /** A receipt as the channel's node has stored it; undefined when it has none. */
  receipt(channel: ChannelRecord, sequence: bigint): Promise<unknown>;
  close(): void;
}

/** How registry names stand in a header. */
const VERIFICATION_NAMES: Record<string, string> = { tee: "Tee", zkml: "Zkml", "tee+zkml": "TeeAndZkml", vanilla: "Vanilla" };

export async function openPayWorld({ network: file }: { network?: string }): Promise<PayWorld> {
  const { settlement, payment } = await openNetwork(file);
  const account = callerKey([settlement.chain.id, payment.chain.id]);
  const wallet = createWalletClient({ chain: payment.chain, transport: http(payment.rpcUrl), account });
  const sessions = new Map<string, NodeSession>();
  const keep = (session: NodeSession) => (sessions.set(session.info.nodeId, session), session);
  const open = async (nodeId: `0x${string}`) => sessions.get(nodeId) ?? keep(await NodeSession.open(settlement, nodeId));
  return {
    settlement, payment,
    money: {
      client: payment.client, wallet, account, escrow: payment.address("PaymentEscrow"), lens: payment.address("EscrowLens"), token: await describeToken(payment),
    },
    memory: fileChannels(channelsFile()),
    async offer({ model, node, verification, settlement: mode }) {
      const session = node ? await open(node as `0x${string}`) : keep(await NodeSession.find(settlement, model, VERIFICATION_NAMES[verification] ?? verification));
      const query = new URLSearchParams({ model, verification, settlement: mode });
      const answer = (await session.get(`/v1/offer?${query}`)) as { offer: unknown; modelId: `0x${string}` };
      const offer = offerFromJson(answer.offer);
      if (offer.terms.nodeId !== session.info.nodeId || offer.terms.payout !== session.info.payout) throw new TypeError("The offer's terms name another node or payout than the registry.");
      if (offer.authorizer.toLowerCase() !== session.info.paymentAuthorizer.toLowerCase()) throw new TypeError("The offer names another payment authorizer than the registry.");
      return { offer, modelId: answer.modelId };
    },
    async receipt(channel, sequence) {
      const session = await open(channel.terms.nodeId);
      const response = await session.fetch(session.url(`/v1/receipts/${channel.paymentId}/${sequence}`), {});
      return response.ok ? response.json() : undefined;
    },
    close: () => sessions.forEach((session) => session.close()),
  };
}

/** The deployment's payment token. */
export async function describeToken(payment: ChainAccess): Promise<MoneyAccount["token"]> {
  const address = payment.address("TestDollar");
  const abi = parseAbi(["function name() view returns (string)", "function version() view returns (string)", "function symbol() view returns (string)", "function decimals() view returns (uint8)"]);
  const [name, version, symbol, decimals] = await Promise.all([
    payment.client.readContract({ address, abi, functionName: "name" }), payment.client.readContract({ address, abi, functionName: "version" }),
    payment.client.readContract({ address, abi, functionName: "symbol" }), payment.client.readContract({ address, abi, functionName: "decimals" }),
  ]);
  return { address, name, version, symbol, decimals };
}
