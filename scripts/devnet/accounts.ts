import { type Hex, bytesToHex } from "viem";
import { type HDAccount, mnemonicToAccount } from "viem/accounts";
import { DEV_MNEMONIC } from "./chains.ts";

/** Who is who on a local network; each has 10,000 test ether on both chains. */
const PEOPLE = ["deployer", "inference", "data", "full1", "full2", "full3", "publisher", "payer", "nodePayout", "royalties"] as const;
export type Person = (typeof PEOPLE)[number];

export function account(person: Person): HDAccount {
  return mnemonicToAccount(DEV_MNEMONIC, { addressIndex: PEOPLE.indexOf(person) });
}

/** Raw key for `OG_DEV_PRIVATE_KEY`: known to everyone, and refused off devnets. */
export function privateKey(person: Person): Hex {
  return bytesToHex(account(person).getHdKey().privateKey!);
}
