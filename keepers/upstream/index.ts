export { loadLanguageModel, MODEL_NAME, trainLanguageModel } from "./model/index.ts";
export type { LanguageModel, Sampling } from "./model/index.ts";
export { startUpstream, upstreamApp } from "./server.ts";
export type { UpstreamOptions, UpstreamServer } from "./server.ts";
