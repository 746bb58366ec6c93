/** Opens parts of a header: from the mirrored blob, or, where its receipts stood in a call, from the ledger. */
import { createReadStream, existsSync } from "node:fs";
import type { Hex } from "viem";
import { openLeaves } from "../../../sdk/batch/index.ts";
import type { ProtocolDomain } from "../../../sdk/protocol/index.ts";
import { type Opener, openRows } from "./evidence.ts";
import type { Preimages } from "./preimages.ts";
import type { FullStore, HeaderRow } from "./store.ts";

export interface OpenerDeps {
  store: FullStore;
  domain: ProtocolDomain;
  preimages: Preimages;
  blobPath: (hash: Hex) => string;
}

/** Terms come from the blob; where it carries none, the node that offered them is asked. */
export function createOpener({ store, domain, preimages, blobPath }: OpenerDeps): (row: HeaderRow) => Opener {
  return (row) => async (wanted) => {
    const path = blobPath(row.hash);
    const opened = existsSync(path) ? await openLeaves(createReadStream(path), domain, wanted) : openRows(store.allLeaves(row.hash), store.stretches(row.hash), wanted, domain);
    const book = opened.book ?? (await preimages.of(row.header.nodeId, [...new Set(opened.leaves.map(({ receipt }) => receipt.termsHash))]));
    return { ...opened, book };
  };
}
