/**
 * Digits, drawn by hand as polylines on a 1 x 1 page, then moved, turned, sheared, scaled, thickened and made noisy.
 * An image is 14 x 14 grey values in [0, 1], row by row.
 */
import type { Samples } from "../nn/network.ts";
import { Random } from "../nn/random.ts";

export const SIDE = 14;

type Point = readonly [x: number, y: number];

/** Strokes of each digit; y grows downwards. */
const STROKES: readonly (readonly (readonly Point[])[])[] = [
  [[[0.5, 0.1], [0.28, 0.22], [0.22, 0.5], [0.28, 0.78], [0.5, 0.9], [0.72, 0.78], [0.78, 0.5], [0.72, 0.22], [0.5, 0.1]]],
  [[[0.34, 0.26], [0.54, 0.1], [0.54, 0.9]], [[0.36, 0.9], [0.72, 0.9]]],
  [[[0.26, 0.28], [0.4, 0.12], [0.62, 0.12], [0.74, 0.28], [0.66, 0.48], [0.24, 0.9], [0.78, 0.9]]],
  [[[0.26, 0.16], [0.52, 0.1], [0.72, 0.24], [0.66, 0.42], [0.46, 0.48], [0.7, 0.56], [0.76, 0.74], [0.54, 0.9], [0.26, 0.84]]],
  [[[0.62, 0.9], [0.62, 0.1], [0.22, 0.64], [0.8, 0.64]]],
  [[[0.74, 0.1], [0.32, 0.1], [0.28, 0.46], [0.56, 0.42], [0.76, 0.6], [0.68, 0.84], [0.42, 0.92], [0.24, 0.82]]],
  [[[0.68, 0.12], [0.4, 0.26], [0.26, 0.56], [0.32, 0.84], [0.56, 0.92], [0.74, 0.76], [0.66, 0.56], [0.44, 0.52], [0.28, 0.66]]],
  [[[0.22, 0.1], [0.78, 0.1], [0.44, 0.9]]],
  [
    [[0.5, 0.48], [0.3, 0.34], [0.36, 0.14], [0.64, 0.14], [0.7, 0.34], [0.5, 0.48]],
    [[0.5, 0.48], [0.74, 0.66], [0.64, 0.9], [0.36, 0.9], [0.26, 0.66], [0.5, 0.48]],
  ],
  [[[0.72, 0.34], [0.56, 0.48], [0.34, 0.44], [0.28, 0.24], [0.44, 0.1], [0.66, 0.14], [0.74, 0.36], [0.66, 0.68], [0.44, 0.9]]],
];

export function digitSamples(seed: number, count: number): Samples {
  const random = new Random(seed);
  const inputs: Float64Array[] = [];
  const targets = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const digit = random.integer(10);
    targets[i] = digit;
    inputs.push(draw(random, digit));
  }
  return { inputs, targets };
}

function draw(random: Random, digit: number): Float64Array {
  const place = hand(random);
  const segments: [Point, Point][] = [];
  for (const stroke of STROKES[digit]!) {
    const points = stroke.map(([x, y]) => place([x + 0.035 * random.normal(), y + 0.035 * random.normal()]));
    for (let i = 1; i < points.length; i++) segments.push([points[i - 1]!, points[i]!]);
  }
  const thickness = random.uniform(0.045, 0.085);
  const ink = random.uniform(0.75, 1);
  const noise = random.uniform(0.03, 0.14);
  const image = new Float64Array(SIDE * SIDE);
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const at: Point = [(column + 0.5) / SIDE, (row + 0.5) / SIDE];
      const distance = segments.reduce((best, [a, b]) => Math.min(best, distanceToSegment(at, a, b)), 2);
      const value = ink * Math.max(0, Math.min(1, 1.2 - (distance - thickness) * SIDE)) + noise * random.normal();
      // 256 grey values, as a scanner gives.
      image[row * SIDE + column] = Math.round(Math.max(0, Math.min(1, value)) * 255) / 255;
    }
  }
  return image;
}

/** A random affine map about the page's centre: each writer leans, shrinks and misses the middle differently. */
function hand(random: Random): (p: Point) => Point {
  const half = 0.12 * random.normal(); // tangent of half the angle: a rotation without sine and cosine
  const cosine = (1 - half * half) / (1 + half * half);
  const sine = (2 * half) / (1 + half * half);
  const shear = 0.16 * random.normal();
  const width = random.uniform(0.7, 1.02);
  const height = random.uniform(0.78, 1.02);
  const dx = 0.07 * random.normal();
  const dy = 0.06 * random.normal();
  return ([px, py]) => {
    const y = (py - 0.5) * height;
    const x = (px - 0.5) * width - shear * y;
    return [0.5 + dx + cosine * x - sine * y, 0.5 + dy + sine * x + cosine * y];
  };
}

function distanceToSegment([px, py]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const vx = bx - ax;
  const vy = by - ay;
  const length = vx * vx + vy * vy;
  const t = length === 0 ? 0 : Math.max(0, Math.min(1, ((px - ax) * vx + (py - ay) * vy) / length));
  const dx = px - ax - t * vx;
  const dy = py - ay - t * vy;
  return Math.sqrt(dx * dx + dy * dy);
}
