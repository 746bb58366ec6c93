import type { Loader } from "../page.ts";
import { about } from "./about.ts";
import { batch } from "./batch.ts";
import { headers } from "./headers.ts";
import { overview } from "./overview.ts";

/** By the first part of the address. */
export const PAGES: Readonly<Record<string, Loader | undefined>> = { "": overview, batches: headers, batch, about };
