/**
 * `npm run bench -- <suite> [--json FILE]`: measures, prints a table, and writes `{suite, figures}` if a file is named.
 * Gas is exact; seconds are of this machine, so compare them only within one run.
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Suite } from "./suite.ts";

const here = import.meta.dirname;
const suites = readdirSync(here).filter((name) => existsSync(join(here, name, "index.ts")));

function refuse(why: string): never {
  console.error(`${why}\nUse: npm run bench -- <${suites.join("|")}> [--json FILE]`);
  process.exit(2);
}

let parsed;
try {
  parsed = parseArgs({ allowPositionals: true, options: { json: { type: "string" } } });
} catch (error) {
  refuse(error instanceof Error ? error.message : String(error));
}
const [name, ...rest] = parsed.positionals;
if (!name || rest.length > 0) refuse("Name one suite.");
if (!suites.includes(name)) refuse(`There is no suite "${name}".`);

const { default: suite } = (await import(`./${name}/index.ts`)) as { default: Suite };
const figures = await suite.run((line) => console.log(line));

const width = Math.max(...Object.keys(figures).map((key) => key.length));
console.log(`\n${suite.title}`);
for (const [key, value] of Object.entries(figures)) {
  const asked = suite.asked?.[key];
  const shown = typeof value === "object" ? JSON.stringify(value) : typeof value === "number" ? value.toLocaleString("en") : value;
  console.log(`  ${key.padEnd(width)}  ${shown}${asked === undefined ? "" : `   (asked: ${asked})`}`);
}
if (parsed.values.json) writeFileSync(parsed.values.json, `${JSON.stringify({ suite: name, figures }, null, 2)}\n`);
process.exit(0);
