export * from "./client.ts";
export * from "./endpoint.ts";
export * from "./follower.ts";
export * from "./pool.ts";
