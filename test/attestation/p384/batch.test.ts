import { expect } from "chai";
import { network } from "hardhat";
import { keccak256 } from "viem";

import { generatorTable } from "../../../scripts/lib/p384Table.ts";
import { proveChain } from "../../../sdk/attestation/p384/chain.ts";
import { GENERATOR, invert, mod, multiply, N, type Point } from "../../../sdk/attestation/p384/curve.ts";
import { drawWeights, shortVectors, type Commitment, type ShortVectors } from "../../../sdk/attestation/p384/lattice.ts";
import { encodeCommitment, encodeSignature, encodeSignatures, hex, type Signature } from "../../../sdk/attestation/p384/prove.ts";
import { isValid } from "./forge.ts";
import { deployWithout } from "./switchboard.ts";

const { ethers } = await network.create();

/** A signature by someone who knows every logarithm: key d G, nonce point k G. Valid when `error` is 0. */
interface Known {
  d: bigint;
  k: bigint;
  nonce: Point;
  signature: Signature;
}

/** Signs; then e is changed so that u1 G + u2 Q - R = error G. */
function known(d: bigint, k: bigint, error: bigint): Known {
  const nonce = multiply(k, GENERATOR)!;
  const key = multiply(d, GENERATOR)!;
  const r = mod(nonce.x, N);
  const s = 0x7777777777777777777n + k;
  return { d, k, nonce, signature: { ...key, r, s, e: mod(s * (k + error) - r * d, N) } };
}

interface Lies {
  lattices?: ShortVectors[];
  /** What the hash is believed to be over, when a part is patched out of it. */
  signatures?: string[];
  commitmentsHashed?: boolean;
  overS?: (i: bigint[], c: bigint[]) => bigint[];
  ofKey?: (i: bigint[], c: bigint[]) => bigint[];
  ofNonce?: (c: bigint[]) => bigint[];
  generator?: (i: bigint[], c: bigint[]) => bigint;
  weights?: (c: bigint[]) => bigint[];
}

const lattice = ({ signature }: Known) => shortVectors(mod(signature.r * invert(signature.s, N), N));
const commitmentOf = (known: Known, vectors: ShortVectors): Commitment => ({ nonce: `${hex(known.nonce.y, 48)}00`, ...vectors });

/** Hints as the honest prover makes them, with lies in places. Multiples are reduced modulo n: ladders of full length. */
function hints(knowns: Known[], lies: Lies = {}): `0x${string}` {
  const commitments = knowns.map((one, j) => commitmentOf(one, lies.lattices?.[j] ?? lattice(one)));
  const drawn = drawWeights(lies.signatures ?? knowns.map(({ signature }) => encodeSignature(signature)), commitments);
  const c = lies.weights?.(drawn) ?? drawn;
  const honest = knowns.map(({ signature }, j) => mod(c[j]! * invert(signature.s, N), N));
  const i = lies.overS?.(honest, c) ?? honest;
  const ofKey = lies.ofKey?.(i, c) ?? knowns.map(({ signature }, j) => mod(signature.r * i[j]!, N));
  const ofNonce = lies.ofNonce?.(c) ?? c.map((weight) => -weight);
  const generator = lies.generator?.(i, c) ?? mod(knowns.reduce((sum, { signature }, j) => sum + signature.e * i[j]!, 0n), N);
  const points = knowns.flatMap(({ signature: { x, y }, nonce }, j) => [
    { point: { x, y }, multiple: short(ofKey[j]!) },
    { point: nonce, multiple: ofNonce[j]! },
  ]);
  const odd = generator & 1n ? generator : generator + N;
  const head = commitments.map(encodeCommitment).join("") + i.map((value) => hex(value, 48)).join("");
  return `0x${head}${proveChain({ generator: odd, points })}`;
}

/** The representative closest to 0. */
const short = (a: bigint) => (a > N / 2n ? a - N : a);

async function expectForgery(check: string, knowns: Known[], forged: string, error: string): Promise<void> {
  const signatures = knowns.map(({ signature }) => signature);
  expect(signatures.map(isValid), "a forgery").to.include(false);
  const encoded = encodeSignatures(signatures);
  const real = await ethers.deployContract("P384", [generatorTable()]);
  await expect(real.verify(encoded, forged)).to.be.revertedWithCustomError(real, error);
  const without = await deployWithout(ethers, [check]);
  expect(await without.verify(encoded, forged)).to.equal(real.interface.getFunction("verify").selector);
}

describe("P384: each check holds off a forgery, batch", () => {
  const valid = known(1111n, 2222n, 0n);
  const invalid = known(3333n, 4444n, 5n);

  it("accepts this prover's hints for valid signatures", async () => {
    const pair = [valid, known(55n, 66n, 0n)];
    const real = await ethers.deployContract("P384", [generatorTable()]);
    await real.verify(encodeSignatures(pair.map(({ signature }) => signature)), hints(pair));
  });

  it("weight: whoever chooses the multiple of R chooses what it proves", async () => {
    const pair = [valid, invalid];
    // c2 (u1 G + u2 Q) = z R_2 for the z that makes it so: z = c2 (k + error) / k.
    const forged = hints(pair, { ofNonce: (c) => [-c[0]!, short(mod(-c[1]! * (invalid.k + 5n) * invert(invalid.k, N), N))] });
    await expectForgery("weight", pair, forged, "P384ScalarMismatch");
  });

  it("inverse: a free c / s scales one equation's right side", async () => {
    const pair = [valid, invalid];
    // i (e + r d) = c k instead of c / s.
    const { e, r } = invalid.signature;
    const i = (c: bigint) => mod(c * invalid.k * invert(mod(e + r * invalid.d, N), N), N);
    await expectForgery("inverse", pair, hints(pair, { overS: (honest, c) => [honest[0]!, i(c[1]!)] }), "P384ScalarMismatch");
  });

  it("inverse-range: c / s is sent below n, as the products that follow assume; no forgery is known without", async () => {
    const pair = [valid, known(55n, 66n, 0n)];
    const real = await ethers.deployContract("P384", [generatorTable()]);
    const at = 2 + 2 * (2 * 177 + 48);
    const honest = hints(pair);
    const forged = honest.slice(0, at) + "ff".repeat(48) + honest.slice(at + 96);
    await expect(real.verify(encodeSignatures(pair.map(({ signature }) => signature)), forged)).to.be.revertedWithCustomError(
      real,
      "P384ScalarMismatch",
    );
  });

  it("batch-key: a free multiple of Q absorbs the error", async () => {
    const pair = [valid, invalid];
    // The error is 5 c G = 5 c / d Q.
    const forged = hints(pair, {
      ofKey: (i, c) => [
        mod(valid.signature.r * i[0]!, N),
        mod(invalid.signature.r * i[1]! - 5n * c[1]! * invert(invalid.d, N), N),
      ],
    });
    await expectForgery("batch-key", pair, forged, "P384ScalarMismatch");
  });

  it("batch-generator: a free multiple of G absorbs the error", async () => {
    const pair = [valid, invalid];
    const forged = hints(pair, {
      generator: (i, c) => mod(valid.signature.e * i[0]! + invalid.signature.e * i[1]! - 5n * c[1]!, N),
    });
    await expectForgery("batch-generator", pair, forged, "P384ScalarMismatch");
  });

  it("lattice: vectors that do not span draw the weight 0, and 0 proves nothing", async () => {
    const pair = [valid, invalid];
    const zero = { v: 0n, v_: 0n, w: 0n, w_: 0n };
    const forged = hints(pair, { lattices: [lattice(valid), zero] });
    await expectForgery("lattice", pair, forged, "P384LatticeDegenerate");
  });

  it("independent: equal weights let two errors cancel", async () => {
    const pair = [known(1111n, 2222n, 9n), known(3333n, 4444n, -9n)];
    const shared = lattice(pair[0]!);
    const forged = hints(pair, { lattices: [shared, shared], weights: (drawn) => [drawn[0]!, drawn[0]!] });
    await expectForgery("independent", pair, forged, "P384ScalarMismatch");
  });

  it("transcript-signatures: with the weights known first, e is chosen to cancel", async () => {
    const pair = [known(1111n, 2222n, 9n), known(3333n, 4444n, 0n)];
    const lattices = pair.map(lattice);
    const committed = pair.map((one, j) => commitmentOf(one, lattices[j]!));
    const blank = pair.map(() => "00".repeat(240));
    const [c0, c1] = drawWeights(blank, committed);
    // Errors 9 c0 + x c1 = 0.
    pair[1] = known(3333n, 4444n, mod(-9n * c0! * invert(c1!, N), N));
    await expectForgery("transcript-signatures", pair, hints(pair, { lattices, signatures: blank }), "P384ScalarMismatch");
  });

  it("transcript-commitments: with the coefficients known first, the lattice is chosen to cancel", async () => {
    const pair = [known(1111n, 2222n, 1n), known(3333n, 4444n, -1n)];
    // With commitments left out, the hash is over the signatures and zeros.
    const seed = keccak256(`0x${pair.map(({ signature }) => encodeSignature(signature)).join("")}${"00".repeat(2 * 177)}`);
    const [a, b] = [0n, 1n].map((j) => {
      const h = BigInt(keccak256(`${seed}${hex(j, 32)}`));
      return { a: h >> 192n, b: (h >> 128n) & (2n ** 64n - 1n) };
    });
    const lattices = equalWeights(a!, b!);
    const c = a!.a * lattices[0]!.v - a!.b * lattices[0]!.v_;
    expect(c).to.equal(b!.a * lattices[1]!.v - b!.b * lattices[1]!.v_);
    const forged = hints(pair, { lattices, weights: () => [c, c] });
    await expectForgery("transcript-commitments", pair, forged, "P384ScalarMismatch");
  });
});

/** Two bases, spanning as the contract checks, whose combinations with these coefficients are equal. */
function equalWeights(first: { a: bigint; b: bigint }, second: { a: bigint; b: bigint }): ShortVectors[] {
  const divisor = gcd(first.a, second.a);
  for (let offset = 1n; ; offset++) {
    // first.a v1 - second.a v2 = first.b v1' - second.b v2' for v', v2' of 190 bits.
    const v1_ = 2n ** 190n + offset;
    const v2_ = 2n ** 190n + 3n * offset + 1n;
    const target = first.b * v1_ - second.b * v2_;
    if (target % divisor !== 0n) continue;
    const modulus = second.a / divisor;
    const v1 = (((target / divisor) * inverseOf(first.a / divisor, modulus)) % modulus) + modulus * 2n ** 124n;
    const v2 = (first.a * v1 - target) / second.a;
    const bases = [spanning(v1, v1_), spanning(v2, v2_)];
    if (bases.every((basis) => basis !== undefined)) return bases as ShortVectors[];
  }
}

/** w, w' with v w' + v' w = n, when v and v' are coprime and leave room. */
function spanning(v: bigint, v_: bigint): ShortVectors | undefined {
  if (v <= 0n || gcd(v, v_) !== 1n) return undefined;
  const w_ = (N * inverseOf(v, v_)) % v_;
  const w = (N - v * w_) / v_;
  return w >= 0n && w < 2n ** 255n ? { v, v_, w, w_ } : undefined;
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

function inverseOf(a: bigint, m: bigint): bigint {
  return invert(mod(a, m), m);
}
