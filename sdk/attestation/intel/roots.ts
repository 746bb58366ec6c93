import type { Hex } from "./bytes.ts";

/**
 * keccak256 of the Intel SGX Root CA's certificate, valid to 2049-12-31. It is the root of TDX as well. Intel publishes the file
 * as Intel_SGX_Provisioning_Certification_RootCA.cer.
 */
export const INTEL_SGX_ROOT: Hex = "0xa1acc73eb45794fa1734f14d882e91925b6006f79d3bb2460df9d01b333d7009";
