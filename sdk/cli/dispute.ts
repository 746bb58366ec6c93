/** `og dispute`: a wrong answer that a node signed, from the payer's file to the header that falls. */
import { Command } from "commander";
import { type DisputeAnswer, type DisputedHeader, disputedHeader, disputeReports, fullNodes, handInDispute } from "../network/disputes.ts";
import { readDispute } from "../network/dispute-file.ts";
import { registryKey } from "../network/nodes.ts";
import { verifyNodeSignature } from "../receipts/signatures.ts";
import { CliError, NETWORK_OPTION, openNetwork, printTable } from "./network.ts";

interface Options {
  network?: string;
  json?: boolean;
}

export function disputeCommand(): Command {
  const dispute = new Command("dispute").description('wrong answers of int programs, as "og infer" saved them');
  const command = (name: string, description: string, options?: { isDefault: boolean }) =>
    dispute.command(`${name} <file>`, options).description(description).option(...NETWORK_OPTION).option("--json", "one JSON object");
  command("hand-in", "gives it to every full node: question and answer become known to them, and public when one proves them on chain (also: og dispute <file>)", { isDefault: true })
    .action((file: string, options: Options) => run(file, options, "hand-in"));
  command("status", "what full nodes make of it, and the state of the header that holds the receipt").action((file: string, options: Options) => run(file, options, "status"));
  return dispute;
}

async function run(file: string, { network, json }: Options, what: "hand-in" | "status"): Promise<void> {
  const { settlement } = await openNetwork(network);
  const domain = { chainId: settlement.chain.id, verifyingContract: settlement.address("InferenceSettlement") };
  const { dispute, digest } = readDispute(file, domain);
  const key = await registryKey(settlement, dispute.receipt.keyId, dispute.receipt.issuedAt);
  if (key.nodeId.toLowerCase() !== dispute.receipt.nodeId || !(await verifyNodeSignature(key.keyType, key.publicKey, digest, dispute.signature))) {
    throw new CliError(`${file} convicts nobody: its signature is not by a key that the registry holds for node ${dispute.receipt.nodeId}. Nothing was shown to anybody.`);
  }
  const nodes = await fullNodes(settlement);
  if (nodes.length === 0) throw new CliError(`Chain ${settlement.chain.id} has no full node that is active or in the committee: try again later, the file stays good while the receipt can be posted and disputed.`);
  const answers = what === "hand-in" ? await handInDispute(settlement, dispute, nodes) : await disputeReports(settlement, digest, nodes);
  const header = await disputedHeader(settlement, digest, dispute.signature, nodes);
  if (json) console.log(JSON.stringify({ digest, node: dispute.receipt.nodeId, answers, header }, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value), 2));
  else report(digest, answers, header);
  // Done: somebody holds it to be wrong, or the chain has decided so.
  if (!answers.some(({ output }) => output === "wrong") && header?.status !== "Rejected") process.exitCode = 1;
}

function report(digest: string, answers: readonly DisputeAnswer[], header: DisputedHeader | null): void {
  printTable(["full node", "answer", "receipt", "endpoint", ""], answers.map(({ nodeId, output, state, endpoint, reason }) => [nodeId, output ?? "-", state ?? "-", endpoint, reason ?? ""]));
  console.log(`\nreceipt   ${digest}`);
  console.log(`answer    ${verdict(answers)}`);
  console.log(header ? `header    ${header.hash} ${header.status}: ${meaning(header)}` : "header    none that a full node holds: its node has not posted the receipt, and earns nothing for it without your Ack");
}

function verdict(answers: readonly DisputeAnswer[]): string {
  const count = (output: string) => answers.filter((answer) => answer.output === output).length;
  if (count("wrong") > 0) return `${count("wrong")} of ${answers.length} full nodes hold it to be wrong, and prove that once the receipt is posted`;
  if (count("right") > 0) return "a full node ran the program and holds the answer to be RIGHT";
  if (count("none") > 0) return "the request is no admissible input of the program: nothing is the right answer to it";
  return "no full node that was reached has the program; keep the file and try again";
}

function meaning({ status, finalizableAt }: DisputedHeader): string {
  switch (status) {
    case "Rejected":
      return "a fault was proved and the node's lock is slashed; what you paid and did not accept comes back";
    case "RejectedNoFault":
      return "void without a fault (its model version frozen or its image compromised); what you paid and did not accept comes back";
    case "Reposted":
      return "rejected and posted again without what was wrong";
    case "Final":
      return "too late to dispute on chain";
    default:
      return `a proof rejects it until ${new Date(Number(finalizableAt ?? 0n) * 1_000).toISOString()}`;
  }
}
