/** A certificate: who of the committee signed that every leaf was checked. Signatures from the call, seats from the chain. */
import { type Hex, decodeFunctionData, hexToBytes, size } from "viem";
import { recoverSigner } from "../../../sdk/crypto/secp256k1.ts";
import { type CommitteeMember, committeeListHash, leafCheckDigest, type ProtocolDomain } from "../../../sdk/protocol/index.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";

export interface CheckedCertificate {
  epoch: bigint;
  /** Every seat of the epoch, and whether its signature stands in the call and is its own. */
  seats: (CommitteeMember & { signed: boolean })[];
  signedStake: bigint;
  totalStake: bigint;
  /** At least two thirds of the stake signed. */
  quorum: boolean;
  /** What is wrong with it; null when it holds. */
  fault: string | null;
}

/**
 * Checks one `certify` call.
 * @param listHash Of the epoch's list, as the Committee contract keeps it.
 * @returns null when the call is another one, e.g. through another contract.
 */
export function checkCertificate(input: Hex, hash: Hex, domain: ProtocolDomain, listHash: (epoch: bigint) => Hex | undefined): CheckedCertificate | null {
  let args: readonly unknown[];
  try {
    const call = decodeFunctionData({ abi: iInferenceSettlementAbi, data: input });
    if (call.functionName !== "certify") return null;
    args = call.args;
  } catch {
    return null;
  }
  const [, epoch, members, { signers, signatures }] = args as [unknown, bigint, readonly CommitteeMember[], { signers: bigint; signatures: Hex }];
  const digest = leafCheckDigest({ headerHash: hash, committeeEpoch: epoch }, domain);
  const bytes = hexToBytes(signatures);
  let at = 0;
  let wrong = 0;
  const seats = members.map((member, index) => {
    if (((signers >> BigInt(index)) & 1n) === 0n) return { ...member, signed: false };
    const signature = bytes.subarray(at, (at += 65));
    const own = recoverSigner(digest, signature) === member.signer.toLowerCase();
    if (!own) wrong++;
    return { ...member, signed: own };
  });
  const totalStake = seats.reduce((sum, { stake }) => sum + stake, 0n);
  const signedStake = seats.reduce((sum, { stake, signed }) => (signed ? sum + stake : sum), 0n);
  const listed = listHash(epoch);
  const fault =
    listed === undefined ? null
    : committeeListHash(epoch, members) !== listed.toLowerCase() ? "The list of members is not the epoch's."
    : wrong > 0 ? `${wrong} of the signatures are not their seats' own.`
    : at !== size(signatures) ? "It carries more signatures than it names."
    : null;
  return { epoch, seats, signedStake, totalStake, quorum: totalStake > 0n && signedStake * 3n >= totalStake * 2n, fault };
}
