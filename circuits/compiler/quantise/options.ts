/** Admissible box of one input tensor. */
export interface InputBox {
  readonly lo?: number;
  readonly hi?: number;
  /** Bits of each element. */
  readonly bits?: number;
}

export interface QuantiseOptions {
  readonly inputs: Readonly<Record<string, InputBox>>;
  readonly inputBits: number;
  readonly weightBits: number;
  /** Fraction bits that an activation of typical size keeps after a seam. */
  readonly activationBits: number;
  /** A piece is accurate to 2^-pieceBits of its amplitude. */
  readonly pieceBits: number;
  /** Width to which an output is cut; 0 leaves it as wide as it is. */
  readonly outputBits: number;
  /**
   * Lets a ReLU saturate at twice its typical size where that narrows many later seams. Saturation is then part of the function, the
   * status lane reports it, and the proved error holds while that bit is 0.
   */
  readonly clamp: boolean;
}

export const defaults: QuantiseOptions = { inputs: {}, inputBits: 12, weightBits: 12, activationBits: 12, pieceBits: 11, outputBits: 32, clamp: false };

/** How wide a product may grow: well below the field, so that every later row stays an integer identity. */
export const PRODUCT_BITS = 160;

/** An input element: its integer box and scale. */
export interface InputScale {
  readonly lo: bigint;
  readonly hi: bigint;
  readonly e: number;
  readonly whole: boolean;
  /** Largest distance of a real in the box to its integer, in steps, where it is more than the half that rounding takes. */
  readonly slack?: number;
  /** The box as the caller gave it, where rounding it up to a power of two made it wider: samples come from here. */
  readonly inner?: readonly [lo: bigint, hi: bigint];
  /** Proved error of a value that crossed from another layer, instead of an input's rounding. */
  readonly err?: number;
}
