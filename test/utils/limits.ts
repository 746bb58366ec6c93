/** What a proof may cost in a test. The deadline ends a prover that hangs on the slowest machine; tests of deadlines set their own. */
export const LIMITS = { deadlineMs: 300_000, memoryMb: 2_000 };
