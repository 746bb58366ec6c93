/** Parameters of PROTOCOL section 9. Mainnet's values; a devnet divides times by 1,440 (a day is a minute). */

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;
const OPG = 10n ** 18n;

/** What divides times on devnets. */
export const DEVNET_DIVISOR = 1_440;

export interface SettlementParameters {
  registry: {
    minBondInference: bigint;
    minBondData: bigint;
    minBondFull: bigint;
    beatMaxBlocks: bigint;
    heartbeatBlocks: bigint;
    postGrace: bigint;
    exitDelay: bigint;
    stakeUnlock: bigint;
    deadFee: bigint;
  };
  settlement: {
    window: bigint;
    windowBlocks: bigint;
    responseTime: bigint;
    repostTime: bigint;
    maxAge: bigint;
    certTime: bigint;
    slotLife: bigint;
    minLock: bigint;
    bondPerCharge: bigint;
  };
  committee: {
    epochLength: bigint;
    grace: bigint;
    certificateLife: bigint;
    minTotalStake: bigint;
    maxOperatorBps: number;
    falseStatementSlash: bigint;
  };
  court: { revealBlocks: bigint; evidenceTime: bigint; equivocationBond: bigint };
  /** Of claimed folds of weights into keys: wei, and seconds in which anyone may refute one. */
  fold: { bond: bigint; window: bigint };
  policy: { delay: bigint; teeTypes: number; tcbStatuses: number };
  /** Seconds between an attestation and its admission. */
  attestationMaxAge: bigint;
  /** Age in blocks of an attestation's nonce; more than 256 needs EIP-2935. */
  nonceMaxBlocks: bigint;
}

/**
 * @param timeDivisor 1 on public chains, `DEVNET_DIVISOR` on devnets. Waits that a person or a process on a busy
 * machine must meet (age of a receipt, grace of a key, age of an attestation) have a floor there.
 */
export function settlementParameters(timeDivisor = 1): SettlementParameters {
  const devnet = timeDivisor > 1;
  const time = (seconds: number, floor = 1) => BigInt(Math.max(floor, Math.round(seconds / timeDivisor)));
  return {
    registry: {
      minBondInference: 1_000n * OPG,
      minBondData: 500n * OPG,
      minBondFull: 5_000n * OPG,
      beatMaxBlocks: 256n,
      heartbeatBlocks: devnet ? 600n : 1_800n,
      postGrace: time(2 * HOUR, 120),
      exitDelay: time(14 * DAY),
      stakeUnlock: time(21 * DAY),
      deadFee: OPG,
    },
    settlement: {
      window: time(DAY),
      windowBlocks: time(3_600),
      responseTime: time(12 * HOUR),
      repostTime: time(DAY),
      maxAge: time(DAY, 120),
      certTime: time(6 * HOUR, 30),
      slotLife: time(60 * DAY),
      minLock: 10n * OPG,
      // The payment token has 6 decimals, the bond token 18; at par.
      bondPerCharge: 10n ** 12n,
    },
    committee: {
      epochLength: time(7 * DAY),
      grace: time(2 * DAY),
      certificateLife: time(3 * DAY),
      minTotalStake: devnet ? 1n : 500_000n * OPG,
      maxOperatorBps: devnet ? 10_000 : 3_334,
      falseStatementSlash: 2_500n * OPG,
    },
    court: { revealBlocks: 256n, evidenceTime: time(7 * DAY), equivocationBond: 500n * OPG },
    fold: { bond: devnet ? 10n ** 15n : 10n ** 17n, window: time(3 * DAY) },
    // Nitro and TDX. TCB statuses: 0 is Nitro's (and Intel's UpToDate).
    policy: { delay: devnet ? 0n : BigInt(2 * DAY), teeTypes: (1 << 1) | (1 << 2), tcbStatuses: 1 },
    attestationMaxAge: devnet ? BigInt(HOUR) : BigInt(5 * MINUTE),
    nonceMaxBlocks: 256n,
  };
}

/** Seconds between a committee epoch's end and the closing of its rewards: its last certified header can be Final, after a demand too. */
export function rewardSettleTime({ committee, settlement }: SettlementParameters): bigint {
  return committee.grace + settlement.window + 2n * settlement.responseTime;
}

/** A planter has a week to post, wait and tell; the least prize is a header's least lock. */
export function trapParameters({ settlement }: SettlementParameters): { minPrize: bigint; revealTime: bigint } {
  return { minPrize: settlement.minLock, revealTime: 7n * (settlement.window + settlement.responseTime) };
}
