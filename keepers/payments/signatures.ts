import type { PaymentPayload } from "@x402/core/types";

const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/**
 * Signatures that a contract will refuse are refused before anything is served: high s, v other than 27 and 28. Longer signatures are a
 * contract wallet's (ERC-1271, ERC-6492) and are judged by it; a voucher is always a key's.
 * @returns "invalid_signature", or undefined.
 */
export function objectionToSignatures(payment: PaymentPayload): string | undefined {
  const payload = payment.payload as {
    signature?: unknown;
    channelConfig?: { payerAuthorizer?: unknown };
    voucher?: { signature?: unknown };
    deposit?: { authorization?: { erc3009Authorization?: { signature?: unknown }; permit2Authorization?: { signature?: unknown } } };
  };
  const deposit = payload.deposit?.authorization;
  const signatures = [payload.signature, payload.voucher?.signature, deposit?.erc3009Authorization?.signature, deposit?.permit2Authorization?.signature];
  for (const signature of signatures) {
    if (signature === undefined) continue;
    if (typeof signature !== "string" || !/^0x([0-9a-fA-F]{2})*$/.test(signature)) return "invalid_signature";
    if (signature.length === 132 && !soundKeySignature(signature)) return "invalid_signature";
    if (signature === payload.voucher?.signature && signature.length !== 132 && !isZero(payload.channelConfig?.payerAuthorizer)) return "invalid_signature";
  }
  return undefined;
}

function soundKeySignature(signature: string): boolean {
  const v = Number.parseInt(signature.slice(130), 16);
  return (v === 27 || v === 28) && BigInt(`0x${signature.slice(66, 130)}`) <= HALF_ORDER;
}

const isZero = (address: unknown) => typeof address === "string" && /^0x0{40}$/.test(address);
