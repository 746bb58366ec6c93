/**
 * Price returns, made up: a variance that remembers itself, answers more to falls than to rises (GJR-GARCH(1,1)), changes
 * its level between calm and storm, and jumps now and then. A sample is 32 returns in per cent; the target is the
 * logarithm of the root mean square of the 16 returns that follow.
 */
import { log } from "../nn/math.ts";
import type { Samples } from "../nn/network.ts";
import { Random } from "../nn/random.ts";

export const WINDOW = 32;
export const HORIZON = 16;
/** Returns are clipped to this many per cent on either side, in the data and by whoever calls the model. */
export const RETURN_LIMIT = 12;

/** Returns go over the wire with four decimals. */
const places = (v: number): number => Math.round(Math.max(-RETURN_LIMIT, Math.min(RETURN_LIMIT, v)) * 10_000) / 10_000;

export function volatilitySamples(seed: number, count: number): Samples {
  const random = new Random(seed);
  const inputs: Float64Array[] = [];
  const targets = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const returns = path(random, WINDOW + HORIZON);
    inputs.push(Float64Array.from(returns.slice(0, WINDOW), places));
    const ahead = returns.slice(WINDOW);
    targets[i] = log(Math.sqrt(ahead.reduce((sum, r) => sum + r * r, 0) / HORIZON) + 1e-3);
  }
  return { inputs, targets };
}

function path(random: Random, length: number): number[] {
  const warmUp = 64;
  const alpha = 0.06;
  const gamma = 0.16; // extra weight of a fall
  const beta = 0.82;
  let level = random.uniform() < 0.3 ? 4 : 0.6; // long-run variance, storm or calm
  let variance = level;
  const returns: number[] = [];
  for (let t = 0; t < warmUp + length; t++) {
    if (random.uniform() < 0.012) level = level > 2 ? 0.6 : 4;
    const jump = random.uniform() < 0.01 ? 3.5 : 1;
    const r = Math.sqrt(variance) * random.normal() * jump;
    if (t >= warmUp) returns.push(r);
    variance = level * (1 - alpha - gamma / 2 - beta) + (alpha + (r < 0 ? gamma : 0)) * Math.min(r * r, 25 * variance) + beta * variance;
  }
  return returns;
}
