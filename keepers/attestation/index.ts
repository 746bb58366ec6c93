export { DevelopmentAuthority, createRoot, loadRoot } from "./development/authority.ts";
export type { Chain, RootAuthority } from "./development/authority.ts";
export * from "./enclave.ts";
export { NitroEnclave } from "./nitro.ts";
export type { NitroEnclaveOptions } from "./nitro.ts";
export { SimulatedEnclave } from "./simulated.ts";
export type { SimulatedOptions } from "./simulated.ts";
