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
}

export const defaults: QuantiseOptions = { inputs: {}, inputBits: 12, weightBits: 12, activationBits: 12, pieceBits: 11, outputBits: 32 };
