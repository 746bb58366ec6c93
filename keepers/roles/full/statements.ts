/** What a full node signs, and when: pure decisions, and the table of statements with their signatures. */
import { type Address, type Hex, recoverAddress } from "viem";
import { BatchStatus, type Finality, finalityDigest, type LeafCheck, leafCheckDigest, type ProtocolDomain, type Rotation } from "../../../sdk/protocol/index.ts";
import { fatal } from "../../errors/index.ts";
import type { Store } from "../../storage/index.ts";
import type { CommitteeEpochRow } from "./store.ts";
import { fromText, toText } from "./text.ts";

/** A beat is a Finality about nothing: a keep-alive. */
export type StatementKind = "leafCheck" | "finality" | "rotation" | "beat";
export const STATEMENT_KINDS: readonly StatementKind[] = ["leafCheck", "finality", "rotation", "beat"];

export interface Statement {
  digest: Hex;
  kind: StatementKind;
  /** Header that it is about; of a rotation the hash of the list. */
  headerHash: Hex;
  /** Committee epoch whose members sign it. */
  epoch: bigint;
  message: LeafCheck | Finality | Rotation;
  /** When this node signed it, ms. */
  signedAt: number;
}

export interface Signature {
  digest: Hex;
  signer: Address;
  signature: Hex;
}

/** A member may leave that many signatures with us; beyond it, it is flooding. */
const MAX_PER_SIGNER = 20_000;

export function leafCheckStatement(headerHash: Hex, epoch: bigint, domain: ProtocolDomain): Omit<Statement, "signedAt"> {
  const message: LeafCheck = { headerHash, committeeEpoch: epoch };
  return { digest: leafCheckDigest(message, domain), kind: "leafCheck", headerHash, epoch, message };
}

export function finalityStatement(message: Finality, domain: ProtocolDomain): Omit<Statement, "signedAt"> {
  return { digest: finalityDigest(message, domain), kind: "finality", headerHash: message.headerHash, epoch: message.committeeEpoch, message };
}

/** Statuses that the payment chain is told of. */
export const DECIDED: ReadonlySet<number> = new Set([BatchStatus.Final, BatchStatus.Rejected, BatchStatus.RejectedNoFault]);

/** Place of a signer in an epoch's list, or -1. */
export function seatOf(epoch: Pick<CommitteeEpochRow, "members"> | undefined, signer: Address): number {
  return epoch ? epoch.members.findIndex((member) => member.signer.toLowerCase() === signer.toLowerCase()) : -1;
}

export interface Quorum {
  signers: bigint;
  signatures: Hex;
}

/** The members' signatures in the contract's form; bits that `without` holds are left out. */
export function pick(epoch: Pick<CommitteeEpochRow, "members">, signatures: readonly Signature[], without = 0n): Quorum {
  let signers = 0n;
  let bytes = "0x";
  epoch.members.forEach(({ signer }, index) => {
    const bit = 1n << BigInt(index);
    const found = (without & bit) === 0n && signatures.find((item) => item.signer.toLowerCase() === signer.toLowerCase());
    if (!found) return;
    signers |= bit;
    bytes += found.signature.slice(2);
  });
  return { signers, signatures: bytes as Hex };
}

/** The same, or null while they are less than two thirds of the stake. */
export function assembleQuorum(epoch: Pick<CommitteeEpochRow, "members">, signatures: readonly Signature[]): Quorum | null {
  const quorum = pick(epoch, signatures);
  const total = epoch.members.reduce((sum, { stake }) => sum + stake, 0n);
  const signed = epoch.members.reduce((sum, { stake }, index) => ((quorum.signers >> BigInt(index)) & 1n ? sum + stake : sum), 0n);
  return total > 0n && signed * 3n >= total * 2n ? quorum : null;
}

/**
 * Whose turn it is to carry a statement: each member gets `leaderMs`, in an order that the statement's hash decides, so
 * that usually one transaction is sent and a dead leader delays nobody for long.
 */
export function myTurn(digest: Hex, seat: number, size: number, sinceMs: number, leaderMs: number): boolean {
  if (seat < 0) return false;
  const first = Number(BigInt(digest) % BigInt(size));
  const rank = (seat - first + size) % size;
  return sinceMs >= rank * leaderMs;
}

export type StatementStore = ReturnType<typeof statementStore>;

export function statementStore(store: Store) {
  type Raw = Record<string, string | number | null>;
  const toStatement = (row: Raw): Statement => ({
    digest: row.digest as Hex, kind: row.kind as StatementKind, headerHash: row.header_hash as Hex, epoch: BigInt(row.epoch as number),
    message: fromText(row.document as string) as Statement["message"], signedAt: Number(row.signed_at),
  });
  return {
    /** Stores a statement together with our own signature: what we signed, we can always show. */
    sign(statement: Omit<Statement, "signedAt">, own: Signature, now: number): void {
      store.transaction(() => {
        store.run(
          "INSERT OR IGNORE INTO statements VALUES (?, ?, ?, ?, ?, ?, NULL)",
          statement.digest, statement.kind, statement.headerHash, Number(statement.epoch), toText(statement.message), now,
        );
        store.run("INSERT OR IGNORE INTO signatures VALUES (?, ?, ?, ?)", own.digest, own.signer.toLowerCase(), own.signature, now);
      });
    },
    /** Statements that nobody has carried yet, as far as we know; oldest first. */
    open(kind: StatementKind, limit = 100): Statement[] {
      return store.all<Raw>("SELECT * FROM statements WHERE kind = ? AND carried_at IS NULL ORDER BY signed_at LIMIT ?", kind, limit).map(toStatement);
    },
    has: (digest: Hex) => store.get("SELECT 1 FROM statements WHERE digest = ?", digest) !== undefined,
    /** Our statements about a header. */
    about: (headerHash: Hex) => store.all<Raw>("SELECT * FROM statements WHERE header_hash = ?", headerHash).map(toStatement),
    /** Closes all statements of the kind about the header. */
    carried: (kind: StatementKind, headerHash: Hex, now: number) => void store.run("UPDATE statements SET carried_at = ? WHERE kind = ? AND header_hash = ?", now, kind, headerHash),
    /** Closes one statement that is done or no longer asked for, with what others left for it. */
    close(digest: Hex, now: number): void {
      store.transaction(() => {
        store.run("UPDATE statements SET carried_at = ? WHERE digest = ?", now, digest);
        store.run("DELETE FROM signatures WHERE digest = ?", digest);
      });
    },
    signatures(digest: Hex): Signature[] {
      return store.all<Raw>("SELECT * FROM signatures WHERE digest = ?", digest).map((row) => ({ digest, signer: row.signer as Address, signature: row.signature as Hex }));
    },
    /**
     * Takes another member's signature.
     * @throws `full.bad_signature`, `full.not_a_member`, `full.flooded`
     */
    async receive({ digest, signer, signature }: Signature, isMember: (signer: Address) => boolean, now: number): Promise<void> {
      if (!isMember(signer)) throw fatal("full.not_a_member", `${signer} has no seat.`, { signer });
      // OpenZeppelin's recover wants v as 27 or 28; viem takes 0 and 1 too.
      const v = signature.slice(-2).toLowerCase();
      const recovered = signature.length === 132 && (v === "1b" || v === "1c") ? await recoverAddress({ hash: digest, signature }).catch(() => null) : null;
      if (recovered?.toLowerCase() !== signer.toLowerCase()) throw fatal("full.bad_signature", "The signature is not the member's.", { signer, digest });
      const count = store.get<{ n: number }>("SELECT COUNT(*) AS n FROM signatures WHERE signer = ?", signer.toLowerCase())!.n;
      if (count >= MAX_PER_SIGNER) throw fatal("full.flooded", `${signer} has left ${count} signatures here.`, { signer });
      store.run("INSERT OR IGNORE INTO signatures VALUES (?, ?, ?, ?)", digest, signer.toLowerCase(), signature, now);
    },
    /**
     * Forgets what is older than `before`, ms, and nobody waits for; what is about nothing that this node signed (it can be had
     * from its signer again) and keep-alives go after `strayBefore` already.
     */
    prune(before: number, strayBefore: number): void {
      store.run("DELETE FROM signatures WHERE received_at < ? AND digest NOT IN (SELECT digest FROM statements WHERE carried_at IS NULL)", before);
      store.run("DELETE FROM signatures WHERE received_at < ? AND digest NOT IN (SELECT digest FROM statements)", strayBefore);
      store.run("DELETE FROM statements WHERE kind = 'beat' AND carried_at < ?", strayBefore);
    },
  };
}
