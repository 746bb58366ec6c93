import type { Loader } from "../page.ts";
import { about } from "./about.ts";
import { batch } from "./batch.ts";
import { committee } from "./committee.ts";
import { feed, feeds } from "./feeds.ts";
import { headers } from "./headers.ts";
import { health } from "./health.ts";
import { model, models } from "./models.ts";
import { node, nodes } from "./nodes.ts";
import { overview } from "./overview.ts";
import { payment, payments } from "./payments.ts";
import { receipt } from "./receipt.ts";
import { search } from "./search.ts";

/** By the first part of the address. */
export const PAGES: Readonly<Record<string, Loader | undefined>> = Object.assign(Object.create(null), { "": overview, batches: headers, batch, receipt, nodes, node, models, model, committee, feeds, feed, payments, payment, health, search, about });
