/** What a data node does about a feed now: pure, from the chain's time and what it has done. */

export type ObservationState = "committed" | "signed" | "revealed" | "closed" | "missed";

export interface FeedSnapshot {
  /** Seconds, chain time. */
  now: bigint;
  period: bigint;
  minOperators: number;
  /** This node's observations of recent rounds. */
  rounds: readonly { round: bigint; state: ObservationState }[];
}

export type FeedStep =
  | { kind: "observe"; round: bigint; commit: boolean }
  | { kind: "commit"; round: bigint }
  | { kind: "reveal"; round: bigint }
  | { kind: "close"; round: bigint }
  | { kind: "miss"; round: bigint };

/**
 * Rounds are `period` long. Commit in the first half, reveal from the second half to the end of the next round, close
 * afterwards. A feed of one operator has nobody to copy from: observed and revealed at once.
 */
export function decideFeed({ now, period, minOperators, rounds }: FeedSnapshot): FeedStep[] {
  const steps: FeedStep[] = [];
  const current = now / period;
  const phase = now - current * period;
  const alone = minOperators <= 1;
  const secondHalf = phase >= period / 2n;
  for (const { round, state } of rounds) {
    const revealFrom = round * period + period / 2n;
    const revealUntil = (round + 2n) * period;
    if (state === "signed" && !alone) {
      // Signed and not committed: the process died between; commit while it is still time, otherwise the round is lost.
      if (round === current && !secondHalf) steps.push({ kind: "commit", round });
      else steps.push({ kind: "miss", round });
    } else if (state === "committed" || state === "signed") {
      if (now >= revealUntil) steps.push({ kind: "miss", round });
      else if (alone || now >= revealFrom) steps.push({ kind: "reveal", round });
    } else if (state === "revealed" && !alone && now >= revealUntil) steps.push({ kind: "close", round });
  }
  if (!rounds.some(({ round }) => round === current) && (alone || !secondHalf)) steps.push({ kind: "observe", round: current, commit: !alone });
  return steps;
}
