import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { Command } from "commander";
import { type Hex, hexToBytes } from "viem";
import { openPayload, payloadKeyPair, payloadMatches } from "../payload/index.ts";
import { receiptDigest } from "../protocol/receipt.ts";
import { signedReceiptFromJson } from "../receipts/wire.ts";
import { CliError, NETWORK_OPTION, openNetwork, walrusStore } from "./network.ts";

/** `og payload`: sealed payloads of individual settlements. */
export function payloadCommand(): Command {
  const payload = new Command("payload").description("encrypted request and answer of individual settlements");
  payload
    .command("key <file>")
    .description("makes a key pair: the secret key goes into the file, the public key (for X-OG-ENCRYPT-TO) is printed")
    .action((file: string) => {
      const { secretKey, publicKey } = payloadKeyPair();
      writeFileSync(file, `${secretKey}\n`, { mode: 0o600, flag: "wx" });
      chmodSync(file, 0o600);
      console.log(Buffer.from(hexToBytes(publicKey)).toString("base64url"));
    });
  payload
    .command("open <blobId> <receipt>")
    .description("fetches a sealed payload from Walrus, opens it with --key and holds it against the receipt")
    .requiredOption("--key <file>", "secret key, as `og payload key` wrote it")
    .option(...NETWORK_OPTION)
    .action(async (blobId: string, receiptFile: string, options: { key: string; network?: string }) => {
      const opened = await openNetwork(options.network);
      const { settlement } = opened;
      const json = JSON.parse(readFileSync(receiptFile, "utf8")) as { receipt?: { receipt?: unknown } };
      const { receipt } = signedReceiptFromJson(json.receipt?.receipt ? json.receipt : json);
      const digest = receiptDigest(receipt, { chainId: settlement.chain.id, verifyingContract: settlement.address("InferenceSettlement") });
      const { blobs, close } = walrusStore(opened.file.walrus);
      const bytes = await blobs.read(blobId as Hex).finally(close);
      const content = await openPayload(readFileSync(options.key, "utf8").trim() as Hex, digest, bytes);
      const matches = payloadMatches(receipt, content);
      console.log(JSON.stringify(content, null, 2));
      if (!matches.request || !matches.response) throw new CliError(`The payload is not what the receipt commits to: ${matches.request ? "its answer" : "its request"} has another hash.`);
      console.error("request and answer are what the receipt commits to");
    });
  return payload;
}
