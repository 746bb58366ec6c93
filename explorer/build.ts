/** `npm run build:explorer`: the page as files that any server can hand out, into dist/explorer. */
import { build } from "esbuild";
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** Where the page goes by default: relative to the repository. */
export const DIST = join(HERE, "..", "dist", "explorer");

/** @returns Bytes of each file that was bundled, by name. */
export async function buildExplorer(outdir = DIST): Promise<Record<string, number>> {
  await mkdir(outdir, { recursive: true });
  const { metafile } = await build({
    entryPoints: { main: join(HERE, "app/main.ts"), worker: join(HERE, "app/verify/worker.ts") },
    outdir, bundle: true, format: "esm", platform: "browser", target: "es2022", minify: true, legalComments: "linked", metafile: true, logLevel: "warning",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  for (const name of await readdir(join(HERE, "static"))) await copyFile(join(HERE, "static", name), join(outdir, name));
  return Object.fromEntries(Object.entries(metafile.outputs).map(([name, { bytes }]) => [name.slice(name.lastIndexOf("/") + 1), bytes]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const sizes = await buildExplorer();
  console.log(`${DIST}: ${Object.entries(sizes).map(([name, size]) => `${name} ${(size / 1024).toFixed(0)} KiB`).join(", ")}`);
}
