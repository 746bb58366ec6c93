import { type KeyObject, constants, generateKeyPairSync, sign } from "node:crypto";
import { type Hex, hexToBytes } from "viem";
import { type ChatRequest, evidenceMessage, inputHash, outputHash, teeId } from "../../../sdk/opengradient/evidence.ts";
import type { ChatAnswer } from "../../../sdk/protocol/index.ts";

/** Fields that today's OpenGradient clients look for in an answer (hex without 0x). */
export interface Evidence {
  tee_signature: string;
  tee_request_hash: string;
  tee_output_hash: string;
  tee_timestamp: number;
  tee_id: string;
}

export interface EvidenceSigner {
  /** DER SubjectPublicKeyInfo, 294 bytes. */
  publicKeyDer: Uint8Array;
  publicKeyPem: string;
  teeId: Hex;
  sign(request: ChatRequest, answer: ChatAnswer, finishReason: string | undefined, timestamp: number): Evidence;
}

/**
 * Signs answers in the OpenGradient format with an RSA key made at start. It is evidence for its clients beside our receipt and
 * moves no money: the format binds neither model version, price, payer nor chain.
 */
export function evidenceSigner(key: { privateKey: KeyObject; publicKey: KeyObject } = generateKeyPairSync("rsa", { modulusLength: 2048 })): EvidenceSigner {
  const publicKeyDer = new Uint8Array(key.publicKey.export({ type: "spki", format: "der" }));
  const id = teeId(publicKeyDer);
  return {
    publicKeyDer,
    publicKeyPem: key.publicKey.export({ type: "spki", format: "pem" }).toString(),
    teeId: id,
    sign(request, answer, finishReason, timestamp) {
      const input = inputHash(request);
      const output = outputHash(finishReason === "tool_calls" && answer.tool_calls ? answer.tool_calls : (answer.content ?? ""));
      const message = hexToBytes(evidenceMessage(input, output, BigInt(timestamp)));
      const signature = sign("sha256", message, { key: key.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
      return {
        tee_signature: signature.toString("base64"),
        tee_request_hash: input.slice(2),
        tee_output_hash: output.slice(2),
        tee_timestamp: timestamp,
        tee_id: id.slice(2),
      };
    },
  };
}

/** The same as response headers of a whole answer. */
export function evidenceHeaders(evidence: Evidence): Record<string, string> {
  return {
    "x-tee-signature": evidence.tee_signature,
    "x-tee-id": evidence.tee_id,
    "x-tee-timestamp": String(evidence.tee_timestamp),
    "x-tee-request-hash": evidence.tee_request_hash,
    "x-tee-output-hash": evidence.tee_output_hash,
  };
}
