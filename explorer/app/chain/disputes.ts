/** What was asked and proved about a header: events of Demands and FaultCourt. */
import type { Address, Hex } from "viem";
import { iDemandsAbi } from "../../../types/abi/IDemands.ts";
import { iFaultCourtAbi } from "../../../types/abi/IFaultCourt.ts";
import type { Net } from "../net.ts";
import { eventsBackwards } from "./logs.ts";

export const DemandKind = { None: 0, Receipts: 1, Stretches: 2, LastOf: 3 } as const;

export interface ShownDemand {
  id: bigint;
  asker: Address;
  kind: number;
  first: number;
  count: number;
  paymentId: Hex;
  /** How it ended; null while it is open. */
  end: "answered" | "enforced" | "closed" | null;
  by: Address | null;
}

/** @param since Block of the header. */
export async function demandsOf(net: Net, hash: Hex, since: bigint, signal?: AbortSignal): Promise<ShownDemand[]> {
  if (!net.settlement.has("Demands")) return [];
  const names = ["DemandOpened", "DemandAnswered", "DemandEnforced", "DemandClosed"] as const;
  const { events } = await eventsBackwards(net.settlement, { address: net.settlement.address("Demands"), abi: iDemandsAbi, names, topics: [null, hash] }, { to: since, signal });
  const demands = new Map<bigint, ShownDemand>();
  for (const event of events.reverse()) {
    const { demandId: id } = event.args;
    if (event.eventName === "DemandOpened") {
      const { asker, kind, first, count, paymentId } = event.args;
      demands.set(id, { id, asker, kind, first, count, paymentId, end: null, by: null });
      continue;
    }
    const demand = demands.get(id);
    if (!demand) continue;
    demand.end = event.eventName === "DemandAnswered" ? "answered" : event.eventName === "DemandEnforced" ? "enforced" : "closed";
    if (event.eventName === "DemandAnswered") demand.by = event.args.answerer;
  }
  return [...demands.values()];
}

export interface ShownFault {
  kind: number;
  reporter: Address;
  tx: Hex;
}

export async function faultsOf(net: Net, hash: Hex, since: bigint, signal?: AbortSignal): Promise<ShownFault[]> {
  if (!net.settlement.has("FaultCourt")) return [];
  const { events } = await eventsBackwards(net.settlement, { address: net.settlement.address("FaultCourt"), abi: iFaultCourtAbi, names: ["FaultProved"], topics: [hash] }, { to: since, signal });
  return events.map(({ args, transactionHash }) => ({ kind: args.kind, reporter: args.reporter, tx: transactionHash! }));
}
