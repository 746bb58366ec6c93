/**
 * Hands the settlement chain's AccessManager over: the guardian may stop intake and freeze one model's proofs (both end by
 * themselves), the fold may hand an attested circuit's level to keys that it computed, the admin may do the rest after a delay, and the
 * deployer nothing. A second run sends nothing.
 */
import type { Address, Hex } from "viem";
import { toFunctionSelector } from "viem";
import { type DeployChain, artifact } from "./chain.ts";
import type { SettlementAddresses } from "./settlement.ts";

/** AccessManager's own. */
export const ADMIN_ROLE = 0n;
export const GUARDIAN_ROLE = 1n;
/** Says that a key came out of a ceremony: the admin after its delay, and the fold, which hands an attested circuit's level on. */
export const ATTESTER_ROLE = 2n;
/** The fault court alone; given when it is deployed. */
export const COURT_ROLE = 3n;

export interface Roles {
  /** Holder of everything restricted, e.g. a multi-signature wallet. */
  admin: Address;
  /** Seconds between an admin's call being scheduled and executed. */
  adminDelay: number;
  guardian: Address;
}

const GUARDED: [keyof SettlementAddresses, string[], bigint][] = [
  ["InferenceSettlement", ["function pauseIntake()"], GUARDIAN_ROLE],
  ["VerifierRouter", ["function freeze(bytes32)", "function unfreeze(bytes32)"], GUARDIAN_ROLE],
  ["Groth16Keys", ["function attestCeremony(bytes32, bytes32)"], ATTESTER_ROLE],
];

/** @returns number of transactions sent. */
export async function assignRoles(chain: DeployChain, addresses: SettlementAddresses, roles: Roles): Promise<number> {
  const { abi } = artifact("AccessManager");
  const manager = addresses.AccessManager;
  let sent = 0;
  const write = async (functionName: string, args: readonly unknown[]) => {
    await chain.write(manager, abi, functionName, args);
    sent += 1;
  };
  const holds = async (role: bigint, account: Address) => ((await chain.read(manager, abi, "hasRole", [role, account])) as [boolean, number])[0];

  for (const [name, signatures, role] of GUARDED) {
    const target = addresses[name]!;
    const selectors: Hex[] = [];
    for (const signature of signatures) {
      const selector = toFunctionSelector(signature);
      if ((await chain.read(manager, abi, "getTargetFunctionRole", [target, selector])) !== role) selectors.push(selector);
    }
    if (selectors.length > 0) await write("setTargetFunctionRole", [target, selectors, role]);
  }
  if (!(await holds(GUARDIAN_ROLE, roles.guardian))) await write("grantRole", [GUARDIAN_ROLE, roles.guardian, 0]);
  if (!(await holds(ATTESTER_ROLE, addresses.Groth16Fold))) await write("grantRole", [ATTESTER_ROLE, addresses.Groth16Fold, 0]);
  if (!(await holds(ATTESTER_ROLE, roles.admin))) await write("grantRole", [ATTESTER_ROLE, roles.admin, roles.adminDelay]);
  if (!(await holds(ADMIN_ROLE, roles.admin))) await write("grantRole", [ADMIN_ROLE, roles.admin, roles.adminDelay]);
  // Last: from here on the deployer is nobody.
  if (roles.admin !== chain.deployer && (await holds(ADMIN_ROLE, chain.deployer))) await write("renounceRole", [ADMIN_ROLE, chain.deployer]);
  return sent;
}
