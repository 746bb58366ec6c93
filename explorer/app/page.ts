/** A page is drawn again and again while its answers come in. */
import type { TemplateResult } from "lit-html";
import type { Net } from "./net.ts";
import type { Route } from "./router.ts";

export interface Shown {
  title: string;
  body: TemplateResult;
}

export interface PageTools {
  /** Draws; does nothing once the reader has gone on. */
  show(page: Shown): void;
  /** Goes to another page in the place of this one. */
  replace(href: string): void;
  /** Aborted when the reader goes on. */
  signal: AbortSignal;
}

/** Loads and shows one page. What it throws is shown as the page's error. */
export type Loader = (net: Net, route: Route, tools: PageTools) => Promise<void>;

/** The address is of no page, or names something that does not exist: what to do instead stands in the message. */
export class NotFound extends Error {
  override readonly name = "NotFound";
  readonly todo: string;
  constructor(message: string, todo: string) {
    super(message);
    this.todo = todo;
  }
}
