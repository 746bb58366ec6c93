import { createReadStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { isHex, parseEventLogs } from "viem";
import { iInferenceSettlementAbi } from "../../types/abi/IInferenceSettlement.ts";
import { chunkChecker, verifyBatch } from "../batch/index.ts";
import { registryKey } from "../network/nodes.ts";
import { BatchStatus, nameOf } from "../protocol/enums.ts";
import { receiptDigest } from "../protocol/receipt.ts";
import { verifyNodeSignature } from "../receipts/signatures.ts";
import { signedReceiptFromJson } from "../receipts/wire.ts";
import { CliError, NETWORK_OPTION, openNetwork, printTable, walrusStore } from "./network.ts";

/** `og settle`: where a batch stands. */
export function settleCommand(): Command {
  const settle = new Command("settle").description("headers on the settlement chain");
  settle
    .command("show [headerHash]")
    .description("a header's state, or the newest headers")
    .option(...NETWORK_OPTION)
    .action(async (headerHash: string | undefined, { network }: { network?: string }) => {
      const { settlement } = await openNetwork(network);
      const address = settlement.address("InferenceSettlement");
      const logs = await settlement.client.getLogs({ address, fromBlock: 0n, toBlock: "latest" });
      const headers = parseEventLogs({ abi: iInferenceSettlementAbi, logs }).filter((event) => event.eventName === "HeaderPosted" || event.eventName === "HeaderSettled" || event.eventName === "StretchSettled");
      const wanted = headers.filter((event) => headerHash === undefined || event.args.headerHash === headerHash).slice(-20);
      if (wanted.length === 0) throw new CliError(headerHash ? `No header ${headerHash} on chain ${settlement.chain.id}.` : "No header has been posted yet.");
      const rows = await Promise.all(wanted.map(async (event) => {
        const { headerHash: hash, nodeId, nonce } = event.args;
        // What was verified in its call is Final by it, for ever.
        const posted = event.eventName === "HeaderPosted" ? event.args.header : undefined;
        const status = posted ? await settlement.client.readContract({ address, abi: iInferenceSettlementAbi, functionName: "status", args: [posted] }) : BatchStatus.Final;
        const count = posted ? String(posted.count) : "individual";
        return [hash, nameOf(BatchStatus, status), String(nonce), count, nodeId.slice(0, 12), event.transactionHash];
      }));
      printTable(["header", "status", "nonce", "receipts", "node", "transaction"], rows);
    });
  return settle;
}

/** Blobs above are not fetched. */
const MAX_BLOB_BYTES = 1024 ** 3;

/** `og verify`: is it genuine. */
export function verifyCommand(): Command {
  const verify = new Command("verify").description("checks a receipt or a batch against the chain");
  verify
    .command("receipt <file>")
    .description("a receipt as `og infer --json` prints it, or the `opengradient` object of an answer")
    .option(...NETWORK_OPTION)
    .action(async (file: string, { network }: { network?: string }) => {
      const { settlement } = await openNetwork(network);
      const json = JSON.parse(readFileSync(file, "utf8")) as { receipt?: { receipt?: unknown } };
      const { receipt, signature } = signedReceiptFromJson(json.receipt?.receipt ? json.receipt : json);
      const digest = receiptDigest(receipt, { chainId: settlement.chain.id, verifyingContract: settlement.address("InferenceSettlement") });
      const key = await registryKey(settlement, receipt.keyId, receipt.issuedAt);
      const signed = await verifyNodeSignature(key.keyType, key.publicKey, digest, signature);
      const node = key.nodeId === receipt.nodeId;
      console.log(`digest     ${digest}`);
      console.log(`signature  ${signed ? "by the key that the registry holds" : "NOT by the key that the registry holds"}`);
      console.log(`key        ${key.valid ? "valid when the receipt was issued" : "NOT valid when the receipt was issued"}`);
      console.log(`node       ${node ? "the key's own" : "NOT the key's own"}`);
      console.log("not checked without request, answer and salt: the commitments to request and response");
      if (!signed || !key.valid || !node) process.exitCode = 1;
    });
  verify
    .command("batch <headerHash>")
    .description("fetches a batch's blob and checks count, order, roots, sums and every signature")
    .option(...NETWORK_OPTION)
    .action(async (headerHash: string, { network }: { network?: string }) => {
      if (!isHex(headerHash)) throw new CliError(`"${headerHash}" is not a header hash.`);
      const opened = await openNetwork(network);
      const { settlement } = opened;
      const address = settlement.address("InferenceSettlement");
      const posted = parseEventLogs({ abi: iInferenceSettlementAbi, eventName: "HeaderPosted", logs: await settlement.client.getLogs({ address, fromBlock: 0n, toBlock: "latest" }) });
      const header = posted.find((event) => event.args.headerHash === headerHash)?.args.header;
      if (!header) throw new CliError(`No batch ${headerHash} on chain ${settlement.chain.id}; individual settlements were verified by the contract itself.`);
      const { blobs, close } = walrusStore(opened.file.walrus, MAX_BLOB_BYTES);
      const dir = mkdtempSync(join(tmpdir(), "og-verify-"));
      try {
        // To disk and from there: a batch of a million receipts needs no more memory than one of a thousand.
        const file = join(dir, "batch.bin");
        const { size } = await blobs.download(header.blobId, file, { contentHash: header.contentHash });
        const domain = { chainId: settlement.chain.id, verifyingContract: address };
        const [key, status] = await Promise.all([
          registryKey(settlement, header.keyId, header.minIssuedAt),
          settlement.client.readContract({ address, abi: iInferenceSettlementAbi, functionName: "status", args: [header] }),
        ]);
        const signing = { keyType: key.keyType, signer: key.publicKey };
        const report = await verifyBatch({ header, source: createReadStream(file), checker: (preamble) => chunkChecker({ domain, preamble, key: signing }) });
        const own = key.nodeId === header.nodeId;
        console.log(`status     ${nameOf(BatchStatus, status)} on chain ${settlement.chain.id}`);
        console.log(`key        ${own ? "the node's own" : "NOT the node's own"}, ${key.valid ? "valid when the first receipt was issued" : "NOT valid when the first receipt was issued"}`);
        console.log(`blob       ${size} bytes, content hash as the header says`);
        console.log(`leaves     ${report.leaves} of ${header.count} checked: signature, order, intervals, sums`);
        console.log(report.ok ? "roots      both as the header says" : `FAULT      ${report.fault!.kind}${report.fault!.index === null ? "" : ` at leaf ${report.fault!.index}`}: ${report.fault!.detail}`);
        console.log("not checked without the payers' salts: that each receipt is of the request and the answer it stands for");
        if (report.ok) console.log(report.unjudged ? `charges    not judged: ${report.unjudged}` : "charges    none above the tariff behind its terms");
        console.log("not checked here: overlaps with other headers of the node (full nodes do: /ledger/headers/<hash>)");
        if (!report.ok || !own || !key.valid) process.exitCode = 1;
      } finally {
        await close();
        rmSync(dir, { recursive: true, force: true });
      }
    });
  return verify;
}
