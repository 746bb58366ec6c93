/** Writes models/README.md from a fresh build: `node models/card.ts`. */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { buildModels } from "./index.ts";
import { modelCard } from "./manifest.ts";

const manifest = await buildModels(undefined, { onProgress: (line) => console.log(line) });
await writeFile(fileURLToPath(new URL("README.md", import.meta.url)), modelCard(manifest));
