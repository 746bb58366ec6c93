import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { Command } from "commander";
import { type Hex, hexToBytes, isHex, size } from "viem";
import { openPayload, payloadKeyPair, payloadMatches } from "../payload/index.ts";
import { receiptDigest } from "../protocol/receipt.ts";
import { type SignedReceipt, signedReceiptFromJson } from "../receipts/wire.ts";
import { CliError, NETWORK_OPTION, openNetwork, walrusStore } from "./network.ts";

/** `og payload`: sealed payloads of individual settlements. */
export function payloadCommand(): Command {
  const payload = new Command("payload").description("encrypted request and answer of individual settlements");
  payload
    .command("key <file>")
    .description("makes a key pair: the secret key goes into the file, the public key (for X-OG-ENCRYPT-TO) is printed")
    .action((file: string) => {
      if (existsSync(file)) throw new CliError(`${file} exists, and what was sealed to its key opens with nothing else; name another file.`);
      const { secretKey, publicKey } = payloadKeyPair();
      writeFileSync(file, `${secretKey}\n`, { mode: 0o600, flag: "wx" });
      chmodSync(file, 0o600);
      console.log(Buffer.from(hexToBytes(publicKey)).toString("base64url"));
    });
  payload
    .command("open <blobId> <receipt>")
    .description("fetches a sealed payload from Walrus, opens it with --key and holds it against the receipt: a file with the whole answer, or its `opengradient` object")
    .requiredOption("--key <file>", "secret key, as `og payload key` wrote it")
    .option(...NETWORK_OPTION)
    .action(async (blobId: string, receiptFile: string, options: { key: string; network?: string }) => {
      if (!isHex(blobId) || size(blobId) !== 32) throw new CliError(`"${blobId}" is not a blob id: 0x and 64 hexadecimal digits, as /v1/payloads/<receiptDigest> gives it.`);
      const secretKey = secretKeyIn(options.key);
      const { receipt } = receiptIn(receiptFile);
      const opened = await openNetwork(options.network);
      const { settlement } = opened;
      const digest = receiptDigest(receipt, { chainId: settlement.chain.id, verifyingContract: settlement.address("InferenceSettlement") });
      const { blobs, close } = walrusStore(opened.file.walrus);
      const bytes = await blobs.read(blobId).finally(close);
      const content = await openPayload(secretKey, digest, bytes);
      const matches = payloadMatches(receipt, content);
      console.log(JSON.stringify(content, null, 2));
      const other = [...(matches.request ? [] : ["request"]), ...(matches.response ? [] : ["answer"])];
      if (other.length > 0) throw new CliError(`The payload is not what the receipt commits to: another ${other.join(" and another ")}. The node sealed what it did not sign.`);
      console.error("request and answer are what the receipt commits to");
    });
  return payload;
}

function textOf(file: string, what: string): string {
  if (!existsSync(file)) throw new CliError(`${file} does not exist; it should hold ${what}.`);
  return readFileSync(file, "utf8");
}

function secretKeyIn(file: string): Hex {
  const text = textOf(file, "the secret key that `og payload key` wrote").trim();
  if (!isHex(text) || size(text) !== 32) throw new CliError(`${file} holds no secret key: 0x and 64 hexadecimal digits, as \`og payload key\` writes it.`);
  return text;
}

/** A whole answer, its `opengradient` object, or a file of evidence, whose `receipt` is one. */
function receiptIn(file: string): SignedReceipt {
  let json: { opengradient?: unknown; receipt?: { receipt?: unknown } } | null;
  try {
    json = JSON.parse(textOf(file, "the answer's `opengradient` object")) as typeof json;
  } catch (error) {
    throw error instanceof SyntaxError ? new CliError(`${file} is not JSON: ${error.message}.`) : error;
  }
  return signedReceiptFromJson(json?.opengradient ?? (json?.receipt?.receipt ? json.receipt : json));
}
