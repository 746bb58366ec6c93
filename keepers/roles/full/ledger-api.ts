/** What a full node serves: the ledger with inclusion proofs, mirrored blobs, the committee's mailbox, and the payers' watch. */
import { createReadStream, existsSync } from "node:fs";
import { Readable } from "node:stream";
import { type Hex, bytesToHex } from "viem";
import { openLeaves, pathFromLeaves } from "../../../sdk/batch/index.ts";
import { BatchStatus, nameOf, positionalTree, type ProtocolDomain, receiptDigest, stretchLeaf } from "../../../sdk/protocol/index.ts";
import { receiptToJson } from "../../../sdk/receipts/wire.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { jsonResponse, readJson } from "../../http/index.ts";
import type { Clock } from "../../clock/index.ts";
import type { Logger } from "../../logger/index.ts";
import type { HeartbeatRelay } from "./heartbeats.ts";
import { isSignature } from "./peers.ts";
import { seatOf, type StatementStore } from "./statements.ts";
import type { FullStore, HeaderRow, LeafRow } from "./store.ts";
import type { Watcher } from "./watch.ts";

export interface LedgerApiDeps {
  store: FullStore;
  statements: StatementStore;
  watcher: Watcher;
  relay: HeartbeatRelay;
  clock: Clock;
  logger: Logger;
  blobPath: (hash: Hex) => string;
  domain: ProtocolDomain;
  summary: () => object;
}

const MAX_PAGE = 200;
const MAX_SIGNATURES = 256;
const MAX_RECEIPTS = 64;
const MAX_EPOCHS_BEHIND = 16;
/** Nothing is wrong with the request; there are too many. */
const BUSY = new Set(["relay.busy", "relay.full"]);
const HASH = /^0x[0-9a-fA-F]{64}$/;

export function ledgerApi({ store, statements, watcher, relay, clock, logger, blobPath, domain, summary }: LedgerApiDeps): (request: Request) => Promise<Response> {
  function headerJson(row: HeaderRow): object {
    const check = store.check(row.hash);
    return { hash: row.hash, kind: row.kind, status: nameOf(BatchStatus, row.status), statusBlock: row.statusBlock, postedBlock: row.postedBlock, tx: row.txHash, header: row.header, check: check ?? null };
  }

  function leafJson({ headerHash, leaf, digest, receipt, signature }: LeafRow): object {
    return { header: headerHash, index: leaf, digest, receipt: receiptToJson(receipt), signature };
  }

  /** The receipt with all that a verifier needs: its header, the path to the root, its stretch with the path of that. */
  function proofOf(row: LeafRow): object {
    const stretches = store.stretches(row.headerHash);
    const position = stretches.findIndex(({ firstLeaf, leafCount }) => row.leaf >= firstLeaf && row.leaf < firstLeaf + leafCount);
    const stretch = position < 0 ? null : { index: position, stretch: stretches[position], path: positionalTree(stretches.map(stretchLeaf)).path(position) };
    return {
      ...leafJson(row),
      path: pathFromLeaves(store.leafHashes(row.headerHash), row.leaf).map((node) => bytesToHex(node)),
      stretch,
      batch: headerJson(store.header(row.headerHash)!),
    };
  }

  const page = (query: URLSearchParams, name: string, fallback: number) => Math.min(MAX_PAGE, Math.max(0, Number(query.get(name) ?? fallback) || fallback));

  /** A receipt by its place, opened from the mirrored blob: batches too large for the index have proofs too. */
  async function opened(row: HeaderRow, index: number): Promise<Response> {
    if (index >= row.header.count) return problem(404, "ledger.unknown_receipt", `The batch has ${row.header.count} receipts.`);
    if (!existsSync(blobPath(row.hash))) return problem(404, "ledger.no_blob", "This node keeps no copy of that blob.");
    const { leaves, receiptsRoot } = await openLeaves(createReadStream(blobPath(row.hash)), domain, { receipts: [index] });
    if (receiptsRoot !== row.header.receiptsRoot.toLowerCase()) return problem(404, "ledger.unopenable", "The batch's data leads to another root than its header's.");
    const { receipt, signature, path } = leaves[0]!;
    return jsonResponse({ header: row.hash, index, digest: receiptDigest(receipt, domain), receipt: receiptToJson(receipt), signature, path, batch: headerJson(row) });
  }

  function get(parts: string[], query: URLSearchParams): Response | Promise<Response> {
    const [room, list, id, sub, place] = parts;
    if (room === "health") return jsonResponse({ status: "OK" });
    if (room === "committee" && list === "signatures" && HASH.test(id ?? "")) return jsonResponse({ signatures: statements.signatures(id!.toLowerCase() as Hex) });
    if (room !== "ledger") return problem(404, "ledger.not_found", "No such page.");
    if (list === undefined) return jsonResponse(summary());
    if (list === "headers" && id === undefined) {
      const status = query.get("status") ? BatchStatus[query.get("status") as keyof typeof BatchStatus] : undefined;
      if (query.get("status") && status === undefined) return problem(400, "ledger.bad_status", `Status is one of ${Object.keys(BatchStatus).join(", ")}.`);
      const node = query.get("node");
      if (node && !HASH.test(node)) return problem(400, "ledger.bad_node", "A node id has 32 bytes in hex.");
      const before = query.get("before") ? Number(query.get("before")) : undefined;
      const rows = store.headers({ status, nodeId: node?.toLowerCase() as Hex | undefined, before, limit: page(query, "limit", 50) || 50 });
      return jsonResponse({ headers: rows.map(headerJson), next: rows.at(-1)?.postedBlock ?? null });
    }
    if (!HASH.test(id ?? "")) return problem(400, "ledger.bad_id", "An id has 32 bytes in hex.");
    const hash = id!.toLowerCase() as Hex;
    if (list === "receipts") {
      const row = store.leafByDigest(hash);
      return row ? jsonResponse(proofOf(row)) : problem(404, "ledger.unknown_receipt", "No batch that this node holds has this receipt.");
    }
    if (list === "payments") return jsonResponse({ receipts: store.leavesOfPayment(hash, page(query, "limit", MAX_PAGE) || MAX_PAGE).map(leafJson) });
    if (list === "blobs") return blob(hash);
    const row = list === "headers" ? store.header(hash) : undefined;
    if (!row) return problem(404, "ledger.unknown_header", "No such header on this node's chain.");
    if (sub === "receipts" && place !== undefined) return /^\d{1,9}$/.test(place) ? opened(row, Number(place)) : problem(400, "ledger.bad_index", "A receipt's place is a whole number.");
    if (sub === "receipts") return jsonResponse({ receipts: store.leaves(hash, page(query, "from", 0) || Number(query.get("from") ?? 0) || 0, page(query, "limit", 50) || 50).map(leafJson) });
    if (sub === "stretches") return jsonResponse({ stretches: store.stretches(hash) });
    return jsonResponse({ ...headerJson(row), transitions: store.transitions(hash) });
  }

  function blob(hash: Hex): Response {
    const path = blobPath(hash);
    if (!existsSync(path)) return problem(404, "ledger.no_blob", "This node keeps no copy of that blob.");
    return new Response(Readable.toWeb(createReadStream(path)) as ReadableStream, { headers: { "content-type": "application/octet-stream" } });
  }

  async function takeSignatures(request: Request): Promise<Response> {
    const { signatures } = ((await readJson(request, 128 * 1024)) ?? {}) as { signatures?: unknown };
    if (!Array.isArray(signatures) || signatures.length > MAX_SIGNATURES || !signatures.every(isSignature)) {
      return problem(400, "full.bad_signatures", `Expected {signatures: [...]} with at most ${MAX_SIGNATURES} of {digest, signer, signature}.`);
    }
    // The payment chain may be some epochs behind: those who sign its next hand-over sat here a while ago.
    const epochs = store.recentEpochs(MAX_EPOCHS_BEHIND);
    for (const item of signatures) {
      await statements.receive({ ...item, digest: item.digest.toLowerCase() as Hex }, (who) => epochs.some((epoch) => seatOf(epoch, who) >= 0), clock.now());
    }
    return jsonResponse({ taken: signatures.length });
  }

  async function takeReceipts(request: Request): Promise<Response> {
    const { receipts } = ((await readJson(request, 256 * 1024)) ?? {}) as { receipts?: unknown };
    if (!Array.isArray(receipts) || receipts.length === 0 || receipts.length > MAX_RECEIPTS) {
      return problem(400, "watch.bad_receipts", `Expected {receipts: [...]} with 1 to ${MAX_RECEIPTS} of {receipt, signature}.`);
    }
    const reports: unknown[] = [];
    for (const item of receipts) reports.push(await watcher.receive(item));
    return jsonResponse({ reports });
  }

  return async (request) => {
    const url = new URL(request.url);
    const parts = url.pathname.split("/").filter(Boolean);
    try {
      if (request.method === "GET" && parts[0] === "watch" && parts[1] === "receipts" && HASH.test(parts[2] ?? "")) {
        const report = await watcher.report(parts[2]!.toLowerCase() as Hex);
        return report ? jsonResponse(report) : problem(404, "watch.unknown_receipt", "Nobody has left that receipt here.");
      }
      if (request.method === "POST" && url.pathname === "/watch/receipts") return await takeReceipts(request);
      if (request.method === "POST" && url.pathname === "/heartbeats") {
        await relay.receive(await readJson(request, 1_024));
        return jsonResponse({ taken: true });
      }
      if (request.method === "GET") return await get(parts, url.searchParams);
      if (request.method === "POST" && url.pathname === "/committee/signatures") return await takeSignatures(request);
      return problem(405, "http.method", "Only GET, and POST to /committee/signatures, /watch/receipts and /heartbeats.");
    } catch (error) {
      if (isKeeperError(error) && BUSY.has(error.code)) return problem(429, error.code, error.message, { "retry-after": "10" });
      if (isKeeperError(error) && error.family === "fatal") return problem(error.code === "http.too_large" ? 413 : 400, error.code, error.message);
      logger.error({ error, path: url.pathname }, "request failed");
      return problem(isKeeperError(error) ? 503 : 500, isKeeperError(error) ? error.code : "internal", isKeeperError(error) ? messageOf(error) : "Something went wrong here.");
    }
  };
}

function problem(status: number, code: string, message: string, headers: Record<string, string> = {}): Response {
  return jsonResponse({ error: { code, message } }, status, headers);
}
