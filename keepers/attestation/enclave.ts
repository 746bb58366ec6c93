/** What a node asks of the machine it runs in: evidence that binds three byte strings to the image that runs. */
export interface AttestationRequest {
  /** The key that signs receipts. */
  readonly publicKey: Uint8Array;
  /** What else is bound: the registry's binding, 32 bytes. */
  readonly userData: Uint8Array;
  /** Proof of freshness: the registry's nonce, 32 bytes. */
  readonly nonce: Uint8Array;
}

/** `Attestation.teeType` of IAttestationVerifier. */
export const TeeType = { Nitro: 1, Tdx: 2, Sgx: 3 } as const;
export type TeeType = (typeof TeeType)[keyof typeof TeeType];

export interface Evidence {
  readonly document: Uint8Array;
  readonly teeType: TeeType;
}

export interface Enclave {
  readonly kind: "nitro" | "tdx" | "dstack" | "simulated";
  /** @throws KeeperError retryable when the device or its agent does not answer, fatal when it answers something else. */
  attest(request: AttestationRequest): Promise<Evidence>;
}
