/** The parts of ffjavascript that set-up and prover use; the package ships no types. */
declare module "ffjavascript" {
  export interface CurveThreads {
    /** The module, while the curve was built for a single thread. */
    code: Uint8Array<ArrayBuffer>;
    memory: WebAssembly.Memory;
    instance: { exports: Record<string, (...pointers: number[]) => number> };
    pG1gen: number;
    pG2gen: number;
    initalPFree: number;
  }
  export interface CurveGroup {
    zero: Uint8Array;
    batchLEMtoU(points: Uint8Array): Promise<Uint8Array>;
    /** Points: Montgomery form, affine or Jacobian by their length. */
    add(a: Uint8Array, b: Uint8Array): Uint8Array;
    timesFr(point: Uint8Array, scalar: Uint8Array): Uint8Array;
    toAffine(point: Uint8Array): Uint8Array;
    toObject(point: Uint8Array): bigint[];
    fromObject(point: unknown[]): Uint8Array;
  }
  export interface Curve {
    tm: CurveThreads;
    G1: CurveGroup;
    G2: CurveGroup;
    Fr: { e(value: bigint): Uint8Array };
    terminate(): Promise<void>;
  }
  export function buildBn128(singleThread?: boolean): Promise<Curve>;
}
