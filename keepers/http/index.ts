export * from "./body.ts";
export * from "./page.ts";
export * from "./server.ts";
export * from "./tls.ts";
export * from "./identity-file.ts";
