import { globSync, readFileSync } from "node:fs";

import { expect } from "chai";

const PAGE = "docs/attestation/pitfalls.md";

/** Titles that name the pitfall, of all test files whose path contains one of the table's words. */
function titles(pitfall: number, where: readonly string[]): string[] {
  const named = new RegExp(`(describe|it)\\([^\\n]*\\bpitfall ${pitfall}\\b`);
  return globSync("test/{attestation,registry}/**/*.ts").filter(
    (file) => where.some((word) => file.includes(word)) && named.test(readFileSync(file, "utf8")),
  );
}

describe("Attestation pitfalls", () => {
  const rows = [...readFileSync(PAGE, "utf8").matchAll(/^\| (\d+) \|[^|]+\|[^|]*\| ([^|]+) \|$/gm)];

  it("all nineteen stand in the page", () => {
    expect(rows.map((row) => Number(row[1]))).to.deep.equal(Array.from({ length: 19 }, (_, i) => i + 1));
  });

  for (const [, number, where] of rows) {
    it(`pitfall ${number} has a test that bears its number, where the page says`, () => {
      expect(titles(Number(number), where!.split(", "))).not.to.deep.equal([]);
    });
  }
});
