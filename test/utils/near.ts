import { expect } from "chai";

/** Asserts |actual - wanted| <= tolerance for floats. (The chain matchers' own closeTo takes integers only.) */
export function expectNear(actual: number, wanted: number, tolerance: number, what = ""): void {
  expect(Math.abs(actual - wanted) <= tolerance, `${what} ${actual} is not within ${tolerance} of ${wanted}`).to.equal(true);
}
