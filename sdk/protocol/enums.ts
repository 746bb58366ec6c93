/** The protocol's enumerations, with the values of contracts/types/Enums.sol. 0 is "None" everywhere and never valid. */
export const Role = { Inference: 1, Data: 2, Full: 3 } as const;
export const KeyType = { Secp256k1: 1, P256: 2, RsaPss2048: 3 } as const;
export const Outcome = { Complete: 1, Partial: 2, Error: 3 } as const;
export const Verification = { Tee: 1, Zkml: 2, TeeAndZkml: 3, Vanilla: 4 } as const;
export const SettlementMode = { Private: 1, Batch: 2, Individual: 3 } as const;
export const BatchStatus = { None: 0, Posted: 1, Certified: 2, Final: 3, Rejected: 4, RejectedNoFault: 5, Reposted: 6 } as const;
export const ProgramKind = { Float: 1, Int: 2 } as const;

/** The values of one of the objects above, e.g. `Value<typeof Role>` is `1 | 2 | 3`. */
export type Value<T> = T[keyof T];

/** Name of an enumeration's value, for people: `nameOf(Outcome, 2)` is "Partial". Unknown values read "unknown (n)". */
export function nameOf(enumeration: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(enumeration).find((name) => enumeration[name] === value) ?? `unknown (${value})`;
}
