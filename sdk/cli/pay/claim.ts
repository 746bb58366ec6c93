import { CliError } from "../network.ts";
import type { PayIo } from "../pay.ts";

interface Claimed {
  claimed: { paymentId: string; amount: string; reason: string }[];
  acked: number;
  transactions: string[];
  unclaimed: string;
}

/** Asks the operator's own node to claim; the node holds vouchers and key, and has one writer. @throws CliError */
export async function claimNow(io: PayIo, { keeper, json }: { keeper: string; json?: boolean }): Promise<void> {
  const token = io.env.OG_OPS_TOKEN;
  if (!token) throw new CliError("OG_OPS_TOKEN is not set: it is the token of the node's operator door.");
  if (!URL.canParse("/actions/claim", keeper)) throw new CliError(`--keeper "${keeper}" is not a URL.`);
  let response: Response;
  try {
    response = await io.fetch(new URL("/actions/claim", keeper), { method: "POST", headers: { authorization: `Bearer ${token}` } });
  } catch (error) {
    throw new CliError(`No node answers at ${keeper}: ${error instanceof Error ? error.message : String(error)}. OG_OPS_LISTEN of the node says where it listens.`);
  }
  const body = (await response.json().catch(() => undefined)) as Claimed | { error?: { message?: string } } | undefined;
  if (!response.ok || !body || !("claimed" in body)) {
    const reason = body && "error" in body ? body.error?.message : undefined;
    throw new CliError(`The node did not claim (${response.status}): ${reason ?? "it is not an inference node, or an older one"}`);
  }
  if (json) return io.print(JSON.stringify(body, null, 2));
  if (body.claimed.length === 0) io.print("nothing to claim");
  for (const { paymentId, amount, reason } of body.claimed) io.print(`claimed   ${amount} units on ${paymentId} (${reason})`);
  if (body.acked > 0) io.print(`released  ${body.acked} channels by their payers' Acks`);
  for (const transaction of body.transactions) io.print(`sent      ${transaction}`);
  io.print(`unclaimed ${body.unclaimed} units`);
}
