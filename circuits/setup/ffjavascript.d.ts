/** The part of ffjavascript that set-up uses; the package ships no types. */
declare module "ffjavascript" {
  export interface CurveThreads {
    memory: WebAssembly.Memory;
    instance: { exports: Record<string, (...pointers: number[]) => number> };
    pG1gen: number;
    pG2gen: number;
    initalPFree: number;
  }
  export interface CurveGroup {
    batchLEMtoU(points: Uint8Array): Promise<Uint8Array>;
  }
  export interface Curve {
    tm: CurveThreads;
    G1: CurveGroup;
    G2: CurveGroup;
    terminate(): Promise<void>;
  }
  export function buildBn128(singleThread?: boolean): Promise<Curve>;
}
