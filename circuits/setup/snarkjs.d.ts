/** The part of snarkjs that is used here; the package ships no types. Files are paths. */
declare module "snarkjs" {
  interface Proof {
    pi_a: string[];
    pi_b: string[][];
    pi_c: string[];
    protocol: string;
    curve: string;
  }
  interface Logger {
    debug(text: string): void;
    info(text: string): void;
    warn(text: string): void;
    error(text: string): void;
  }
  interface Curve {
    r: bigint;
    terminate(): Promise<void>;
  }
  export const curves: { getCurveFromName(name: string): Promise<Curve> };
  export const groth16: {
    prove(zkey: string, witness: string, logger?: Logger): Promise<{ proof: Proof; publicSignals: string[] }>;
    verify(key: unknown, publicSignals: readonly string[], proof: unknown, logger?: Logger): Promise<boolean>;
  };
  export const powersOfTau: {
    newAccumulator(curve: Curve, power: number, file: string, logger?: Logger): Promise<unknown>;
    contribute(from: string, to: string, name: string, entropy: string, logger?: Logger): Promise<unknown>;
    beacon(from: string, to: string, name: string, beaconHash: string, iterationsExponent: number, logger?: Logger): Promise<unknown>;
    preparePhase2(from: string, to: string, logger?: Logger): Promise<unknown>;
    verify(file: string, logger?: Logger): Promise<boolean>;
  };
  export const zKey: {
    newZKey(r1cs: string, ptau: string, zkey: string, logger?: Logger): Promise<Uint8Array>;
    contribute(from: string, to: string, name: string, entropy: string, logger?: Logger): Promise<Uint8Array>;
    beacon(from: string, to: string, name: string, beaconHash: string, iterationsExponent: number, logger?: Logger): Promise<Uint8Array>;
    verifyFromR1cs(r1cs: string, ptau: string, zkey: string, logger?: Logger): Promise<boolean>;
    verifyFromInit(init: string, ptau: string, zkey: string, logger?: Logger): Promise<boolean>;
    exportVerificationKey(zkey: string, logger?: Logger): Promise<Record<string, unknown>>;
  };
  export const wtns: {
    check(r1cs: string, witness: string, logger?: Logger): Promise<boolean>;
    calculate(input: Record<string, unknown>, wasm: string, witness: string): Promise<void>;
  };
}
