import { type Address, type Hex, encodeAbiParameters, keccak256 } from "viem";

/** One seat of a committee epoch; lists are strictly ascending by signer. */
export interface CommitteeMember {
  signer: Address;
  stake: bigint;
}

const LIST = [
  { type: "uint64" },
  { type: "tuple[]", components: [{ name: "signer", type: "address" }, { name: "stake", type: "uint96" }] },
] as const;

/** CommitteeLib.listHash: what a Rotation names and SettlementInbox stores of an epoch's list. */
export function committeeListHash(epoch: bigint, members: readonly CommitteeMember[]): Hex {
  return keccak256(encodeAbiParameters(LIST, [epoch, members]));
}
