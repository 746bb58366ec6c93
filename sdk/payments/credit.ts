import { type Address, type Hex, type PublicClient, isAddressEqual } from "viem";
import { escrowAbi } from "./abi.ts";

/** What an escrow owes to somebody of one token, smallest units. */
export interface Owed {
  /** Ready to be withdrawn. */
  credit: bigint;
  /** Fees and royalties of releases, which `collect` makes a credit. */
  setAside: bigint;
  /** The terms that they were set aside under. */
  termsHashes: Hex[];
}

export async function owedTo(source: { client: PublicClient; escrow: Address; token: Address; fromBlock?: bigint }, beneficiary: Address): Promise<Owed> {
  const { client, escrow: address, token } = source;
  const [credit, registered] = await Promise.all([
    client.readContract({ address, abi: escrowAbi, functionName: "credit", args: [beneficiary, token] }),
    client.getContractEvents({ address, abi: escrowAbi, eventName: "TermsRegistered", fromBlock: source.fromBlock ?? 0n, toBlock: "latest" }),
  ]);
  const owed: Owed = { credit, setAside: 0n, termsHashes: [] };
  for (const { args } of registered) {
    const [royalty, fee] = [isAddressEqual(args.royaltyTo!, beneficiary), isAddressEqual(args.treasury!, beneficiary)];
    if (!royalty && !fee) continue;
    const shares = await client.readContract({ address, abi: escrowAbi, functionName: "sharesOf", args: [args.termsHash!, token] });
    const due = (royalty ? shares.royalty : 0n) + (fee ? shares.fee : 0n);
    if (due === 0n) continue;
    owed.setAside += due;
    owed.termsHashes.push(args.termsHash!);
  }
  return owed;
}
