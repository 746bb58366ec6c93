/** `npm run test:deep` runs the same properties for longer. */
export const deep = process.env["OG_DEEP"] === "1";

/** How many cases to run: a few in every test run, many in a deep one. */
export const runs = (few: number, many: number): number => (deep ? many : few);
