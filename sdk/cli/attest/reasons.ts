/** Why a registry refuses evidence, in words: the chain answers with a declared error, and names say little to an operator. */
import { BaseError, ContractFunctionRevertedError, type Abi } from "viem";

import { iAttestationGateAbi } from "../../../types/abi/IAttestationGate.ts";
import { iIntelCollateralAbi } from "../../../types/abi/IIntelCollateral.ts";
import { iMeasurementPolicyAbi } from "../../../types/abi/IMeasurementPolicy.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import { nitroVerifierAbi } from "../../../types/abi/NitroVerifier.ts";
import { p384Abi } from "../../../types/abi/P384.ts";
import { tdxVerifierAbi } from "../../../types/abi/TdxVerifier.ts";
import { nitroReason } from "../../attestation/nitro/index.ts";
import { intelReason } from "../../attestation/intel/index.ts";
import { NitroError } from "../../attestation/nitro/index.ts";

/** Errors of everything that `attest` goes through, each name once. */
export const REGISTRY_ERRORS: Abi = [
  ...new Map(
    [iNodeRegistryAbi, iAttestationGateAbi, iMeasurementPolicyAbi, nitroVerifierAbi, p384Abi, tdxVerifierAbi, iIntelCollateralAbi]
      .flatMap((abi) => abi as Abi)
      .flatMap((item) => (item.type === "error" ? [[item.name, item] as const] : [])),
  ).values(),
];

/** With the error's arguments in their order. */
const WORDS: Record<string, (...args: readonly unknown[]) => string> = {
  AttestationGateNoVerifier: (teeType) => `this chain has no verifier for TEE type ${teeType}`,
  AttestationGateBinding: (field) => BINDINGS[String(field)] ?? `the evidence binds another ${field} than this registration`,
  AttestationGateStale: (at, now, maxAge) => `the document was made at ${at}, it is ${now}, and at most ${maxAge} s may lie between: attest again`,
  AttestationGateExpired: (until, now) => `what vouches for the evidence ended at ${until}, it is ${now}: attest again`,
  AttestationGateUsed: () => "this evidence was registered before (replay): attest again with a new nonce",
  AttestationGateNonceBlock: (block, now) => `the nonce's block ${block} is not a recent one, the chain is at ${now}: attest again with a new nonce`,
  MeasurementPolicyUnknown: (policyId) => `there is no image policy ${policyId}`,
  MeasurementPolicyDebug: () => "an enclave in debug mode proves nothing: the host can read its memory",
  MeasurementPolicyTeeType: (policyId, teeType) => `the node's image policy ${policyId} does not take TEE type ${teeType}`,
  MeasurementPolicyTcbStatus: (policyId, status) => `the node's image policy ${policyId} does not take platforms of TCB status ${status}`,
  MeasurementPolicyImageNotApproved: (policyId, workload, imageId, from) =>
    `image ${imageId} is not approved for workload ${workload} under policy ${policyId}${from === 0n ? "" : ` before ${from}`}`,
  MeasurementPolicyImageRevoked: (policyId, image) => `image number ${image} of policy ${policyId} was revoked`,
  NodeRegistryUnknownNode: (nodeId) => `the registry knows no node ${nodeId}`,
  NodeRegistryNotOperator: (nodeId, caller) => `${caller} is neither operator nor payment authorizer of node ${nodeId}`,
  NodeRegistryBadPublicKey: (type, length) => `${length} bytes are no public key of type ${type}`,
  NodeRegistryPublicKeyTaken: (_, nodeId) => `the key belongs to node ${nodeId}: make a new one`,
  NodeRegistryBondTooSmall: (_, bond, minimum) => `the node's bond is ${bond}, its role needs ${minimum}: add to it first`,
  NodeRegistryInvalidTransition: (_, from) => `a node in status ${from} opens no key epoch`,
};

const BINDINGS: Record<string, string> = {
  teeType: "the evidence is of another TEE type",
  publicKey: "the evidence binds another public key than --public-key",
  userData: "the evidence binds another registration (node, operator, payout, policy, workload, endpoint, TLS or HPKE key changed, or another chain)",
  nonce: "the evidence's nonce is of another block, operator or chain",
};

/** @return In words, with the error's name behind it; undefined when `error` is no revert with a declared error. */
export function registryReason(error: unknown): string | undefined {
  const revert = error instanceof BaseError ? error.walk((cause) => cause instanceof ContractFunctionRevertedError) : null;
  if (!(revert instanceof ContractFunctionRevertedError) || revert.data === undefined) return undefined;
  const { errorName, args = [] } = revert.data;
  const values = `${errorName}(${args.join(", ")})`;
  const words = WORDS[errorName];
  if (words !== undefined) return `${words(...args)} (${values})`;
  // A verifier's: the twin has words for the same name.
  const twin = new NitroError(errorName);
  const reason = /^(Tdx|Intel|Json)/.test(errorName) ? intelReason(twin) : nitroReason(twin);
  return reason.replace(`(${twin.message})`, `(${values})`);
}
